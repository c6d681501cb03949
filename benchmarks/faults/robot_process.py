# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the robot's process."""

from __future__ import annotations

import signal

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage import Stage

GROUP = "robot process"


def _ended(number: signal.Signals, *, code: int) -> Inject:
    def inject(stage: Stage) -> int:
        assert stage.robot is not None
        ended = stage.end(stage.robot, number)
        if ended != code:
            raise AssertionError(f"the robot ended with {ended}, expected {code}")
        stage.start_robot()
        stage.await_robot()
        return 1

    return inject


def _in_fallback(stage: Stage) -> int:
    assert stage.edge is not None and stage.robot is not None
    with stage.stopped(stage.edge):
        pass_time(0.3)
        code = stage.end(stage.robot)
    if code != 0:
        raise AssertionError(f"the robot ended with {code} in mid-fallback, expected 0")
    stage.start_robot()
    stage.await_robot()
    return 1


def _frozen(stage: Stage) -> int:
    assert stage.robot is not None
    with stage.stopped(stage.robot):
        pass_time(2.0)
    return 1


FAULTS = (
    Fault(
        "robot killed and restarted", GROUP, "it starts at once and is served again", _ended(signal.SIGKILL, code=-9)
    ),
    Fault("robot ended and restarted", GROUP, "accepted frames come out, exit code 0", _ended(signal.SIGTERM, code=0)),
    Fault(
        "robot interrupted and restarted", GROUP, "accepted frames come out, exit code 0", _ended(signal.SIGINT, code=0)
    ),
    Fault("robot ended in mid-fallback", GROUP, "the frame under way comes out, exit code 0", _in_fallback),
    Fault("robot frozen for 2 s", GROUP, "the frame under way comes out once it can run", _frozen),
)
