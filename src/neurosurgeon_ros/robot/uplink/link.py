# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's link to one edge, and the reasons why it cannot be used."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Protocol

from neurosurgeon_ros.protocol.requests import Request


class ObstacleKind(enum.Enum):
    """Kinds of obstacles that prevent a robot from using an edge."""

    NO_EDGE = enum.auto()
    OTHER_MODEL = enum.auto()
    HELLO_UNANSWERED = enum.auto()
    ID_TAKEN = enum.auto()
    TOPICS_UNMATCHED = enum.auto()
    CIRCUIT_OPEN = enum.auto()
    STOPPING = enum.auto()


@dataclass(frozen=True, slots=True)
class Obstacle:
    """
    Why the edge cannot be used now.

    :param text: one human-readable sentence.
    """

    kind: ObstacleKind
    text: str

    @property
    def is_mistake(self) -> bool:
        """Return whether a person has to change the configuration before the edge can be used."""
        return self.kind in (ObstacleKind.OTHER_MODEL, ObstacleKind.ID_TAKEN)


#: No edge announces itself.
NO_EDGE = Obstacle(ObstacleKind.NO_EDGE, "no edge is there")


class Link(Protocol):
    """The transport to one edge."""

    @property
    def lifespan_s(self) -> float:
        """Return the seconds after which a request that has not reached the edge is no longer sent; may be infinite."""

    @property
    def edge_session(self) -> int:
        """Return the number of the edge's present start; 0 if there is no edge."""

    @property
    def edge_id(self) -> str:
        """Return the id of the edge; empty if there is no edge."""

    def obstacle(self) -> Obstacle | None:
        """Return why the edge cannot be used now; None if it can."""

    def publish(self, request: Request) -> None:
        """Send a request without waiting for the link."""
