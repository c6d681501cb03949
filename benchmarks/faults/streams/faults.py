# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults that break streams, and some that must not."""

from __future__ import annotations

import contextlib
import random
import signal
from collections.abc import Callable, Iterator

from rclpy.serialization import deserialize_message, serialize_message

from benchmarks.faults.edge_process import FAULTS as EDGE
from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.link import Meddle, meddling
from benchmarks.faults.robot_process import FAULTS as ROBOT
from benchmarks.faults.stage.counter import Counter
from benchmarks.faults.stage.relay import EDGE_SIDE, Fate
from benchmarks.faults.stage.services import set_parameters
from benchmarks.faults.stage.stage import SILENCE_S, START_S, Stage
from benchmarks.faults.streams.hostile import HostileRobot
from neurosurgeon_ros.codecs.streams import delta_codecs as deltas
from neurosurgeon_ros.codecs.streams.video import table as videos
from neurosurgeon_ros.msg import DelayFeedback, PartialInference, PartitionDecision
from neurosurgeon_ros.ros import qos

GROUP = "streams"

#: Codecs with memory: video of the network's input, video of the camera's image, changes of a feature map.
VIDEO, CAMERA_VIDEO, DELTA = "h264-veryfast-crf18", "camera-h264-veryfast-crf20", "int6-delta-d0.75"

#: Robots of the stage.
ROBOTS = ("robot_node", "two_robot_node")
SECOND = "two/robot_node"

#: Parameters of the stage's nodes. One stream of a small video fits into the edge's memory, and two of the camera's do
#: not.
ROBOT_PARAMETERS: dict[str, object] = {"codecs": [VIDEO], "min_fidelity": 0.0}
EDGE_PARAMETERS: dict[str, object] = {"stream_memory_mib": 1}

#: One request in this many is meddled with, so that each broken stream has gone on when the next one breaks.
EVERY = 5

#: Seconds by which a request is late, so that the next one overtakes it.
LATE_S = 0.15


def why_absent() -> str | None:
    """Return why the codecs are absent; None if they are there."""
    return videos.why_absent() or deltas.why_absent()


def _of(faults: tuple[Fault, ...], name: str) -> Inject:
    """Return how a fault of another group is injected."""
    return next(fault.inject for fault in faults if fault.name == name)


def _fault(name: str, promise: str, inject: Inject, *, breaks: bool = True) -> Fault:
    return Fault(name, GROUP, promise, inject, stage=GROUP, breaks=breaks)


def _every(meddle: Callable[[bytes], Fate], every: int = EVERY) -> Inject:
    """Return a fault that applies `meddle` to one in `every` requests."""

    def inject(stage: Stage) -> int:
        number = 0

        def apply(generator: random.Random, kind: str, message: bytes) -> Fate | None:
            nonlocal number
            if kind != "partial_inference":
                return None
            number += 1
            return None if number % every else meddle(message)

        chosen: Meddle = apply
        return meddling(chosen, 4.0)(stage)

    return inject


def _reordered(stage: Stage) -> int:
    set_parameters(stage.node, ROBOTS[0], max_in_flight=2)
    try:
        return _every(lambda message: [(LATE_S, message)])(stage)
    finally:
        set_parameters(stage.node, ROBOTS[0], max_in_flight=1)


def _checksum(message: bytes) -> Fate:
    request = deserialize_message(message, PartialInference)
    request.checksum ^= 1
    return [(0.0, serialize_message(request))]


def _other_arms(stage: Stage) -> int:
    codecs = (DELTA, CAMERA_VIDEO, "uint8", VIDEO)
    with _arms(stage, ROBOTS[0]) as arms:
        for codec in codecs:
            _change_to(stage, ROBOTS[0], codec, arms)
            pass_time(1.0)
    return len(codecs)


@contextlib.contextmanager
def _arms(stage: Stage, robot: str) -> Iterator[list[str]]:
    """Yield the arms that a robot chooses, one for each frame."""
    arms: list[str] = []

    def hear(decision: PartitionDecision) -> None:
        arms.append(decision.arm)

    heard = stage.node.create_subscription(PartitionDecision, f"{robot}/decision", hear, qos.DECISION)
    try:
        yield arms
    finally:
        stage.node.destroy_subscription(heard)


def _change_to(stage: Stage, robot: str, codec: str, arms: list[str]) -> None:
    """Change a robot's codec, and wait until it uses it; raises AssertionError if it does not."""
    set_parameters(stage.node, robot, codecs=[codec])
    if not stage.counter.wait_for(lambda: arms and arms[-1].endswith(f"/{codec}"), START_S):
        raise AssertionError(f"{robot} did not change to {codec} within {START_S:g} s: {arms[-1:]}")


def _hostile(change: Callable[[PartialInference, int], None], *expected: int) -> Inject:
    """
    Return a fault that is a robot which sends changed requests; the edge must answer some with each expected status.

    The robot whose requests it copies begins another stream meanwhile, so that it copies keys as well.
    """

    def inject(stage: Stage) -> int:
        robot = HostileRobot(stage, change)
        try:
            with _arms(stage, ROBOTS[0]) as arms:
                if not stage.counter.wait_for(lambda: robot.statuses, START_S):
                    raise AssertionError("the edge answered the hostile robot not once")
                for codec in (DELTA, VIDEO):
                    _change_to(stage, ROBOTS[0], codec, arms)
                    pass_time(1.0)
            if not stage.counter.wait_for(lambda: set(expected) <= set(robot.statuses), START_S):
                raise AssertionError(
                    f"the edge answered {robot.sent} requests of the hostile robot with the statuses "
                    f"{sorted(set(robot.statuses))}, expected {sorted(expected)}"
                )
        finally:
            robot.close()
        return robot.sent

    return inject


def _wrong_reference(request: PartialInference, number: int) -> None:
    request.reference = (0, 2**63, request.sequence - 1, 1)[number % 4]


def _wrong_checksum(request: PartialInference, number: int) -> None:
    request.checksum = (1, 0, 2**32 - 1)[number % 3]


@contextlib.contextmanager
def _second_robot(stage: Stage, codecs: list[str]) -> Iterator[None]:
    """Start a second robot, and end it after the context; raises AssertionError if it lost a frame."""
    counter = Counter(stage.node, robot=SECOND, detections="two/detections")
    child = stage.start_robot("second", remappings={"__ns": "/two", "/two/image_raw": "/image_raw"}, codecs=codecs)
    try:
        counter.wait_for(lambda: counter.decided or child.ended, START_S)
        _drain(stage, counter)
        since = counter.mark()
        stage.camera.play()
        yield
        _drain(stage, counter)
        tally = counter.tally(since, stage.camera.shown)
        stage.camera.play()
    finally:
        stage.end(child, signal.SIGINT)
        for subscription in counter.subscriptions:
            stage.node.destroy_subscription(subscription)
    if tally.accepted == 0 or tally.lost or tally.duplicated or tally.out_of_order:
        raise AssertionError(
            f"the second robot accepted {tally.accepted} frames and lost {tally.lost}, {tally.duplicated} were "
            f"duplicated and {tally.out_of_order} out of order"
        )


def _drain(stage: Stage, other: Counter) -> None:
    """Pause the camera, and wait until no frame of either robot is under way."""
    stage.drain()
    other.wait_for_silence(SILENCE_S)


@contextlib.contextmanager
def _evictions(stage: Stage) -> Iterator[list[str]]:
    """Yield what the edge says about evicted streams."""
    said: list[str] = []

    def hear(feedback: DelayFeedback) -> None:
        if "evicted" in feedback.error:
            said.append(feedback.error)

    heard = [
        stage.node.create_subscription(DelayFeedback, f"{EDGE_SIDE}/{robot}/delay_feedback", hear, qos.ANSWERS)
        for robot in ROBOTS
    ]
    try:
        yield said
    finally:
        for subscription in heard:
            stage.node.destroy_subscription(subscription)


def _evicted(stage: Stage) -> int:
    set_parameters(stage.node, ROBOTS[0], codecs=[CAMERA_VIDEO])
    try:
        with _second_robot(stage, [CAMERA_VIDEO]), _evictions(stage) as said:
            pass_time(5.0)
    finally:
        set_parameters(stage.node, ROBOTS[0], codecs=[VIDEO])
    return len(said)


def _alternating(stage: Stage) -> int:
    codecs = (DELTA, VIDEO)
    robots = (ROBOTS[0], SECOND)
    with _second_robot(stage, [DELTA]), _arms(stage, robots[0]) as first, _arms(stage, robots[1]) as second:
        for turn in range(4):
            for offset, arms in enumerate((first, second)):
                _change_to(stage, robots[offset], codecs[(turn + offset) % 2], arms)
            pass_time(1.0)
    return 2 * 4


NEXT_IS_KEY = "at most one frame of each broken stream is finished on the robot, and the next one is a key"
BEGINS = "no stream breaks, and each new one begins with a key"
UNTOUCHED = "the requests are refused, and no other robot's stream breaks"
FAULTS = (
    _fault("requests of a stream lost", NEXT_IS_KEY, _every(lambda message: [])),
    _fault(
        "requests of a stream twice",
        "the second one is refused, and no stream breaks",
        _every(lambda message: [(0.0, message), (0.05, message)], 2),
        breaks=False,
    ),
    _fault("requests of a stream out of order", NEXT_IS_KEY, _reordered),
    _fault("checksums of a stream changed", NEXT_IS_KEY, _every(_checksum)),
    _fault("arms changed in mid-stream", BEGINS, _other_arms, breaks=False),
    _fault(
        "wrong references of a hostile robot",
        UNTOUCHED,
        _hostile(_wrong_reference, DelayFeedback.INVALID, DelayFeedback.NOT_HELD),
        breaks=False,
    ),
    _fault(
        "wrong checksums of a hostile robot",
        UNTOUCHED,
        _hostile(_wrong_checksum, DelayFeedback.DIVERGED, DelayFeedback.NOT_HELD),
        breaks=False,
    ),
    _fault("two robots and memory for one stream", NEXT_IS_KEY, _evicted),
    _fault("two robots with alternating arms", NEXT_IS_KEY, _alternating),
    _fault("edge of a stream killed and restarted", NEXT_IS_KEY, _of(EDGE, "edge killed and restarted")),
    _fault(
        "robot of a stream killed and restarted",
        "its new stream begins with a key",
        _of(ROBOT, "robot killed and restarted"),
    ),
)
