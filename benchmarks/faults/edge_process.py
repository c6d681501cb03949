# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the edge's process."""

from __future__ import annotations

import signal

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage.services import call
from benchmarks.faults.stage.stage import Stage, StageError

GROUP = "edge process"
ALONE = "the robot finishes the frame under way and works alone until the edge is back"


def _ended(number: signal.Signals) -> Inject:
    def inject(stage: Stage) -> int:
        assert stage.edge is not None
        stage.end(stage.edge, number)
        pass_time(2.0)
        stage.start_edge()
        return 1

    return inject


def _frozen(stage: Stage) -> int:
    assert stage.edge is not None
    with stage.stopped(stage.edge):
        pass_time(3.0)
    return 1


def _another_model(stage: Stage) -> int:
    assert stage.edge is not None
    stage.end(stage.edge)
    other = stage.start_edge(model="yolov3_tiny", random_weights=True)
    pass_time(8.0)
    stage.end(other)
    stage.start_edge()
    return 1


def _twice(stage: Stage) -> int:
    assert stage.edge is not None
    for _ in range(2):
        with stage.stopped(stage.edge):
            pass_time(0.5)
        pass_time(1.0)
    return 2


def _gone(stage: Stage) -> int:
    assert stage.edge is not None
    stage.end(stage.edge)
    pass_time(5.0)
    return 1


def _late(stage: Stage) -> int:
    assert stage.edge is not None and stage.robot is not None
    stage.end(stage.edge)
    stage.end(stage.robot)
    stage.start_robot()
    stage.await_robot()
    stage.start_edge()
    return 1


def _deactivated(stage: Stage) -> int:
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE):
        _ask(stage, transition)
        pass_time(2.0)
    return 1


def _cut_off(stage: Stage) -> int:
    assert stage.edge is not None
    return stage.cut_off(stage.edge)


def _ask(stage: Stage, transition: int) -> None:
    """Request a transition from the edge, and raise StageError if it fails."""
    request = ChangeState.Request(transition=Transition(id=transition))
    if not call(stage.node, ChangeState, "edge_node/change_state", request).success:
        raise StageError(f"the edge did not make transition {transition}")


FAULTS = (
    Fault("edge killed and restarted", GROUP, ALONE, _ended(signal.SIGKILL)),
    Fault("edge ended and restarted", GROUP, ALONE, _ended(signal.SIGTERM)),
    Fault("edge frozen for 3 s", GROUP, "frames sent to it are finished on the robot at the deadline", _frozen),
    Fault("edge frozen again and again", GROUP, "frames sent to it are finished on the robot at the deadline", _twice),
    Fault("edge with another model", GROUP, "the robot works alone while the edge has another model", _another_model),
    Fault("edge started after its robot", GROUP, "the robot works alone until an edge is there", _late),
    Fault("edge deactivated and activated", GROUP, ALONE, _deactivated),
    Fault("edge's shared memory removed", GROUP, "the edge begins again with other ports", _cut_off),
    Fault("edge gone for good", GROUP, "the robot works alone", _gone, ends=False),
)
