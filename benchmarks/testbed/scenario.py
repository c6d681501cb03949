# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Scenarios: the rates of camera and link over a run, and the load of the edge."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.traces import Trace

#: Frames at the start of each run that are not counted. Nodes discover each other and policies explore during these.
WARM_UP_FRAMES = 24


@dataclass(frozen=True, slots=True)
class Step:
    """
    Conditions that hold from one moment of a run until the next step.

    :param at_s: seconds after the first counted frame.
    :param uplink_mbps: rate of the link in Mbit/s.
    :param busy_edge: whether a competing process slows the edge's back-end down several times.
    """

    at_s: float
    uplink_mbps: float
    busy_edge: bool = False


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    The conditions of a run.

    :param name: key in summary.json: a rate in Mbit/s, `changing`, or the name of a recorded link.
    :param camera_hz: images per second.
    :param frames: number of counted frames.
    :param steps: in order of time, the first at 0.
    :param trace: recorded link that begins with the first counted frame; None: the rates of `steps` only.
    """

    name: str
    camera_hz: float
    frames: int
    steps: tuple[Step, ...]
    trace: Trace | None = None


def constant(mbps: float, *, camera_hz: float, frames: int) -> Scenario:
    """Return a scenario with one rate for the whole run."""
    return Scenario(f"{mbps:g}", camera_hz, frames, (Step(0.0, mbps),))


def recorded(trace: Trace, *, camera_hz: float) -> Scenario:
    """Return a scenario that replays a recorded link at its own speed. Before that, the link has its usual rate."""
    return Scenario(trace.name, camera_hz, round(trace.seconds * camera_hz), (Step(0.0, trace.usual_mbps),), trace)


def changing(*, camera_hz: float = 4.0, turn_s: float = 10.0) -> Scenario:
    """
    Return a scenario with six turns of 50 and 1 Mbit/s, then six turns at 50 Mbit/s, every second with a busy edge.

    :param turn_s: seconds of each of the twelve turns.
    """
    link = [Step(turn * turn_s, 1.0 if turn % 2 else 50.0) for turn in range(6)]
    edge = [Step(turn * turn_s, 50.0, busy_edge=bool(turn % 2)) for turn in range(6, 12)]
    return Scenario("changing", camera_hz, round(12 * turn_s * camera_hz), (*link, *edge))
