# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Presence of robots and edges: each side judges the other by the last message that it heard from it."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

#: An edge is gone after this many seconds without a status: three periods of its 2 Hz statuses.
EDGE_TIMEOUT_S = 1.5

#: A robot's id is free again after this many seconds without a hello.
ROBOT_TIMEOUT_S = 2.0

#: Stands for all edges in a robot's parameter `edges`.
ANY_EDGE = "any"

#: Maximum length of a robot id, as bounded in the messages.
MAX_ID_LENGTH = 64


def to_id(name: str) -> str:
    """
    Convert a name, such as a node's fully qualified name, to an id that can be part of a topic name.

    The id is in lower case. Each run of characters other than [a-z0-9] becomes one underscore, and a leading digit gets
    a prefix.

    :raises ValueError: if no character is left.

    >>> to_id("/Robot1/front-camera")
    'robot1_front_camera'
    >>> to_id("7")
    'id_7'
    """
    text = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not text:
        raise ValueError(f"the id {name!r} holds none of a-z and 0-9: give one that does")
    return (f"id_{text}" if text[0].isdigit() else text)[:MAX_ID_LENGTH]


def is_id(text: str) -> bool:
    """Return whether a text from the network is a valid id, which can be part of a topic name."""
    return re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text) is not None and "__" not in text


def new_secret() -> str:
    """Make the secret of a session, 64 hexadecimal digits. Only its owner can end the session early."""
    return secrets.token_hex(32)


def session_of(secret: str) -> int:
    """
    Return the 64-bit number of the session that a secret opens and ends.

    The number is public. The secret cannot be computed from it.
    """
    return int.from_bytes(hashlib.sha256(secret.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """
    Status that an edge reports; see neurosurgeon_ros/EdgeStatus.

    :param models: names of the models that it serves, by fingerprint.
    :param robots: the session that holds each robot id.
    :param node: fully qualified name of its node, for human-readable messages.
    :param has_own_topics: whether requests and answers have topics of this edge.
    """

    edge_id: str
    session: int
    models: dict[str, str]
    robots: dict[str, int]
    queue_length: int = 0
    load: float = 0.0
    node: str = ""
    has_own_topics: bool = False

    def base(self, namespace: str) -> str:
        """
        Return the namespace of its requests and answers.

        :param namespace: namespace of the topics between robot and edge.
        """
        return f"{namespace}/{self.edge_id}" if self.has_own_topics and is_id(self.edge_id) else namespace
