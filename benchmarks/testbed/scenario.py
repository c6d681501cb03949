# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a run meets: the camera's rate, the link's rate, and who else wants the edge."""

from __future__ import annotations

from dataclasses import dataclass

#: Frames at the start of a run that are not counted, whatever runs: nodes find each other, and policies look around.
WARM_UP_FRAMES = 24


@dataclass(frozen=True, slots=True)
class Step:
    """
    From a moment on, the link has a rate, and the edge is its own or not.

    :param at_s: seconds after the first frame that counts.
    :param uplink_mbps: Mbit/s.
    :param busy_edge: a competing process makes the edge's back-end several times slower.
    """

    at_s: float
    uplink_mbps: float
    busy_edge: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    A run's course.

    :param name: key in summary.json: a rate in Mbit/s, or `changing`.
    :param camera_hz: images a second.
    :param frames: that count.
    :param steps: in the order of time, the first at 0.
    """

    name: str
    camera_hz: float
    frames: int
    steps: tuple[Step, ...]


def constant(mbps: float, *, camera_hz: float, frames: int) -> Scenario:
    """One rate for the whole run."""
    return Scenario(f"{mbps:g}", camera_hz, frames, (Step(0.0, mbps),))


def changing(*, camera_hz: float = 4.0, turn_s: float = 10.0) -> Scenario:
    """
    50 and 1 Mbit/s in six turns; then six turns at 50 Mbit/s with a busy edge in every second one.

    :param turn_s: seconds of each of the twelve turns.
    """
    link = [Step(turn * turn_s, 1.0 if turn % 2 else 50.0) for turn in range(6)]
    edge = [Step(turn * turn_s, 50.0, busy_edge=bool(turn % 2)) for turn in range(6, 12)]
    return Scenario("changing", camera_hz, round(12 * turn_s * camera_hz), (*link, *edge))
