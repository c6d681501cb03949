# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the robot's process."""

from __future__ import annotations

import signal
import time

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage.stage import START_S, Stage

GROUP = "robot process"

#: Maximum number of seconds that a robot may take to end.
END_S = 3.0

#: Id of the stage's robot, derived from its node name.
ROBOT_ID = "robot_node"


def _ended(number: signal.Signals, *, code: int) -> Inject:
    def inject(stage: Stage) -> int:
        assert stage.robot is not None
        _end(stage, number, code=code)
        stage.start_robot()
        stage.await_robot()
        return 1

    return inject


def _end(stage: Stage, number: signal.Signals, *, code: int) -> None:
    """End the stage's robot, and raise AssertionError if its exit status or the time that it takes is wrong."""
    assert stage.robot is not None
    begin_s = time.monotonic()
    ended = stage.end(stage.robot, number)
    took_s = time.monotonic() - begin_s
    if ended != code:
        raise AssertionError(f"the robot ended with {ended}, expected {code}")
    if took_s > END_S:
        raise AssertionError(f"the robot took {took_s:.1f} s to end, expected {END_S:g} at most")


def _in_fallback(stage: Stage) -> int:
    assert stage.edge is not None and stage.robot is not None
    with stage.stopped(stage.edge):
        pass_time(0.3)
        _end(stage, signal.SIGTERM, code=0)
    stage.start_robot()
    stage.await_robot()
    return 1


def _frozen(stage: Stage) -> int:
    assert stage.robot is not None
    with stage.stopped(stage.robot):
        pass_time(2.0)
    return 1


def _cut_off(stage: Stage) -> int:
    assert stage.robot is not None
    ports = stage.cut_off(stage.robot)
    stage.await_robot()
    return ports


def _same_id(stage: Stage) -> int:
    twin = stage.start_robot("twin", remappings={"__ns": "/twin", "/twin/image_raw": "/image_raw"}, robot_id=ROBOT_ID)
    code = twin.process.wait(START_S)
    stage.children.remove(twin)
    if code != 1 or "robot_id" not in twin.last_words:
        raise AssertionError(f"the second robot with the id {ROBOT_ID} was not refused: {twin.end_in_words}")
    return 1


ENDS = f"every accepted frame comes out, exit code 0 within {END_S:g} s"
FAULTS = (
    Fault(
        "robot killed and restarted", GROUP, "it starts at once and is served again", _ended(signal.SIGKILL, code=-9)
    ),
    Fault("robot ended and restarted", GROUP, ENDS, _ended(signal.SIGTERM, code=0)),
    Fault("robot interrupted and restarted", GROUP, ENDS, _ended(signal.SIGINT, code=0)),
    Fault("robot ended in mid-fallback", GROUP, ENDS, _in_fallback),
    Fault("another robot with the same id", GROUP, "the one that came first is served on", _same_id),
    Fault(
        "robot's shared memory removed",
        GROUP,
        "every accepted frame comes out, and the robot begins again with other ports, in the same process",
        _cut_off,
    ),
    Fault("robot frozen for 2 s", GROUP, "the frame under way comes out once it can run", _frozen),
)
