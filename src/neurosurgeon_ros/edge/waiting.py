# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requests that wait at an edge, and refusals of such requests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.protocol.requests import Request


@dataclass(slots=True, eq=False)
class Waiting:
    """
    A waiting request.

    :param arrived_s: when it arrived, in monotonic seconds.
    :param behind: whether another request had to be answered first when it arrived.
    :param least_tag: its turn is after those with this tag, see :mod:`.shares`; they would be too late otherwise.
    :param tensors: its decoded tensors; None until it is decoded, which for a frame of a stream is before it waits.
    :param decode_s: seconds that decoding them took.
    :param held: frame that the edge holds of its stream after it; 0: nothing, or no stream.
    :param charged_s: seconds that its robot was charged when its run began.
    """

    request: Request
    engine: Engine
    arrived_s: float
    behind: bool = False
    least_tag: float = -math.inf
    tensors: tuple[torch.Tensor, ...] | None = None
    decode_s: float = 0.0
    held: int = 0
    charged_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Refusal:
    """
    A refused request and the reason, in one sentence.

    :param held: as in :class:`Waiting`.
    :param retry_s: seconds after which the robot's next request will have its turn; 0: at once.
    """

    request: Request
    reason: str
    held: int = 0
    retry_s: float = 0.0

    @classmethod
    def of(cls, one: Waiting, reason: str, *, retry_s: float = 0.0) -> Refusal:
        """Return the refusal of a request for load."""
        return cls(one.request, reason, one.held, retry_s)


def share_a_back_end(one: Request, other: Request) -> bool:
    """Return whether two requests ask for the same back-end of the same network."""
    return (one.fingerprint, one.partition_point) == (other.fingerprint, other.partition_point)


def is_in_time(one: Waiting, answered_s: float) -> bool:
    """Return whether an answer at clock time `answered_s` meets the request's deadline."""
    return one.request.deadline_s <= 0.0 or answered_s - one.arrived_s <= one.request.deadline_s


def is_newer(one: Request, other: Request) -> bool:
    """Return whether one request of a robot is newer than another of the same session."""
    return one.key.session == other.key.session and one.key.sequence > other.key.sequence
