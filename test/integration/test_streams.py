# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Codecs with memory between real nodes that restart, over a link that loses, and beside robots that send nonsense.

Whatever happens, each image has one detections message in order, at most one frame of a broken stream is finished on
the robot because of it, and the stream goes on with a key.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from asker import Asker
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from pictures import video_frame
from stream_codec import NAME, Speaker, register
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.msg import DelayFeedback, PartialInference, PartitionDecision
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.messages import from_request

SCRIPT = Path(__file__).parents[1] / "stream_node.py"
TOPIC, RELAYED = "/neurosurgeon/partial_inference", "/relayed/partial_inference"

#: Growth of an edge's memory that its allocator explains, in bytes.
FLAT_BYTES = 16 << 20


def start(processes: Processes, node: str, *values: str, arguments: tuple[str, ...] = ()) -> Process:
    words = [word for value in ("threads:=1", *values) for word in ("-p", value)]
    return processes.start(sys.executable, str(SCRIPT), node, "--ros-args", *words, *arguments)


def start_robot(processes: Processes, *values: str) -> Process:
    """Start a robot that sends every frame as an image of a stream, over the test's relay."""
    settings = ("policy:=edge_only", f"codecs:=[{NAME}]", "min_fidelity:=0.0", "deadline_ms:=4000.0", *values)
    return start(processes, "robot_node", *settings, arguments=("-r", f"{TOPIC}:={RELAYED}"))


class Relay:
    """
    Carries a robot's requests to the edge.

    :ivar seen: the frames that the robot sent.
    :ivar carry: returns what arrives for a message.
    """

    def __init__(self, watcher: Watcher) -> None:
        self.seen: list[PartialInference] = []
        self.carry: Callable[[PartialInference], list[PartialInference]] = lambda message: [message]
        self.values: dict[str, dict[str, str]] = {}
        self._publisher = watcher.node.create_publisher(PartialInference, TOPIC, qos.PARTIAL_INFERENCE)
        watcher.node.create_subscription(PartialInference, RELAYED, self._on_request, qos.PARTIAL_INFERENCE)
        watcher.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)

    def _on_request(self, message: PartialInference) -> None:
        carried = [message]
        if message.kind == PartialInference.FRAME:
            self.seen.append(message)
            carried = self.carry(message)
        for one in carried:
            self._publisher.publish(one)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.values[status.name] = {one.key: one.value for one in status.values}

    def is_key(self) -> bool:
        """Return whether the last frame that was sent was a key."""
        return self.seen[-1].reference == 0 and self.seen[-1].checksum != 0

    def value(self, node: str, name: str) -> float:
        return float(self.values.get(node, {}).get(name, "nan"))


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def begin(watcher: Watcher) -> None:
    """Wait until frames go to the edge. The first one must be a key."""
    watcher.robot_is_there()
    watcher.edge_serves()
    watcher.step_until(Outcome.EDGE)


def step_with_edge(watcher: Watcher, relay: Relay, frames: int = 3) -> list[bool]:
    """Publish images that the edge must answer, and return which of their requests were keys."""
    keys = []
    for _ in range(frames):
        assert watcher.step().outcome == Outcome.EDGE, watcher.decisions[-1].reason
        keys.append(relay.is_key())
    return keys


def resume(watcher: Watcher, relay: Relay) -> list[PartitionDecision]:
    """Publish images until the edge answers again, with a key. Return the decisions of the frames before it."""
    first = len(watcher.decisions)
    watcher.step_until(Outcome.EDGE)
    assert relay.is_key(), "the stream goes on with a key"
    return watcher.decisions[first:-1]


def test_restarts_and_changes_cost_at_most_one_frame_and_begin_with_a_key(
    processes: Processes, watcher: Watcher
) -> None:
    relay = Relay(watcher)
    edge, robot = start(processes, "edge_node"), start_robot(processes)
    begin(watcher)
    assert relay.is_key() and watcher.decisions[-1].arm == f"input/{NAME}"
    assert step_with_edge(watcher, relay) == [False, False, False]
    assert [message.reference for message in relay.seen[-2:]] == [message.sequence for message in relay.seen[-3:-1]]

    # Another size of the camera.
    watcher.picture = lambda index: np.ascontiguousarray(video_frame(index)[:, :480])
    assert step_with_edge(watcher, relay) == [True, False, False]

    # Other arms.
    assert watcher.set("/robot_node", codecs=[NAME, "fp16"]) == (True, "")
    robot.wait_for_output("from the next frame on")
    keys = step_with_edge(watcher, relay, 6)
    assert keys.count(True) == 1 and not keys[-1]

    # Another edge.
    edge.end(signal.SIGKILL)
    watcher.step_until(Outcome.ON_DEVICE)
    start(processes, "edge_node")
    assert sum(one.outcome == Outcome.FALLBACK for one in resume(watcher, relay)) <= 1
    assert step_with_edge(watcher, relay) == [False, False, False]
    watcher.assert_every_frame_was_answered_once_in_order()

    # Another session of the robot: its streams at the edge are gone with its goodbye.
    def without_robot() -> bool:
        return bool(watcher.statuses) and not watcher.statuses[-1].robots

    assert watcher.transition("/robot_node", "deactivate")
    watcher.until(without_robot, "an edge without the robot")
    watcher.until(lambda: relay.value("/edge_node", "streams held") == 0.0, "an edge without streams")
    session = relay.seen[-1].session
    assert watcher.transition("/robot_node", "activate")
    watcher.decisions.clear(), watcher.detections.clear(), watcher.images.clear()
    watcher.robot_is_there()
    resume(watcher, relay)
    assert relay.seen[-1].session != session
    assert step_with_edge(watcher, relay) == [False, False, False]
    watcher.assert_every_frame_was_answered_once_in_order()
    watcher.until(lambda: relay.value("/edge_node", "streams held") == 1.0, "the edge's count")
    watcher.until(lambda: relay.value("/robot_node", "keys") == 1.0, "the robot's count of this activation")
    assert relay.value("/robot_node", "streams broken") == relay.value("/edge_node", "streams diverged") == 0.0
    assert robot.end(signal.SIGINT) == 0


def test_lost_duplicated_and_reordered_requests_cost_at_most_one_frame(processes: Processes, watcher: Watcher) -> None:
    relay = Relay(watcher)
    start(processes, "edge_node"), start_robot(processes, "max_in_flight:=2", "deadline_ms:=2000.0")
    begin(watcher)
    assert step_with_edge(watcher, relay) == [False, False, False]

    # Each request twice.
    relay.carry = lambda message: [message, message]
    assert step_with_edge(watcher, relay) == [False, False, False]
    relay.carry = lambda message: [message]
    watcher.until(lambda: relay.value("/edge_node", "references not held") == 3.0, "the edge's count of duplicates")
    assert step_with_edge(watcher, relay) == [False, False, False]

    # One request that is lost.
    lost = len(relay.seen)
    relay.carry = lambda message: [] if len(relay.seen) == lost + 1 else [message]
    assert watcher.step().outcome == Outcome.FALLBACK
    assert [one for one in resume(watcher, relay) if one.outcome == Outcome.FALLBACK] == []
    assert step_with_edge(watcher, relay) == [False, False, False]

    # Two requests in the wrong order, and both in flight.
    waiting: list[PartialInference] = []

    def reorder(message: PartialInference) -> list[PartialInference]:
        waiting.append(message)
        return waiting[::-1] if len(waiting) == 2 else []

    relay.carry = reorder
    number = len(watcher.decisions)
    watcher.show()
    watcher.until(lambda: len(waiting) == 1, "the first request")
    watcher.show()
    watcher.until(lambda: len(watcher.decisions) == number + 2, "both decisions")
    relay.carry = lambda message: [message]
    assert [one.outcome for one in watcher.decisions[-2:]] == [Outcome.EDGE, Outcome.FALLBACK]
    assert "builds on frame" in watcher.decisions[-1].reason
    assert watcher.decisions[-1].total_delay < 2.0, "it did not wait for its deadline"
    assert step_with_edge(watcher, relay) == [True, False, False]

    # A checksum that is changed on the way.
    def changed(message: PartialInference) -> list[PartialInference]:
        message.checksum ^= 1
        return [message]

    relay.carry = changed
    assert watcher.step().outcome == Outcome.FALLBACK
    relay.carry = lambda message: [message]
    assert step_with_edge(watcher, relay) == [True, False, False]
    watcher.until(lambda: relay.value("/robot_node", "streams diverged") == 1.0, "the robot's count")
    watcher.until(lambda: relay.value("/edge_node", "streams diverged") == 1.0, "the edge's count")
    watcher.until(lambda: relay.value("/robot_node", "streams broken") == 3.0, "the robot's count of all three")
    watcher.assert_every_frame_was_answered_once_in_order()
    assert watcher.decisions[-1].circuit == PartitionDecision.CLOSED


class StreamAsker(Asker):
    """A robot played by the test that sends images of a stream."""

    engine: Engine

    def __init__(self, watcher: Watcher, engine: Engine, robot_id: str, session: int = 5) -> None:
        super().__init__(watcher, robot_id, session)
        self.engine = engine
        self.speakers: dict[int, Speaker] = {}

    def speak(
        self,
        *,
        p: int = 0,
        key: bool | None = None,
        change: Callable[[PartialInference], object] = lambda request: None,
    ) -> DelayFeedback:
        """Send the next frame of a stream, and return its feedback."""
        if p not in self.speakers:
            self.speakers[p] = Speaker(self.engine, robot=self.robot_id, session=self.session, p=p)
            key = True if key is None else key

        def as_stream(request: PartialInference) -> None:
            image: NDArray[np.uint8] = video_frame((7 * self.sequence) % 250)
            message = from_request(self.speakers[p].frame(self.sequence, image, key=bool(key)))
            for name in message.get_fields_and_field_types():
                setattr(request, name, getattr(message, name))
            change(request)

        return self.ask(as_stream)


def held(feedback: DelayFeedback) -> bool:
    """Return whether the edge holds the frame that this is the feedback for."""
    return feedback.status == DelayFeedback.OK and feedback.held == feedback.sequence


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    register(monkeypatch)
    return Engine.load("yolov3_tiny")


def test_a_hostile_robot_harms_nobody(processes: Processes, watcher: Watcher, engine: Engine) -> None:
    edge, relay = start(processes, "edge_node"), Relay(watcher)
    good, bad = (StreamAsker(watcher, engine, name) for name in ("good", "bad"))
    for asker in (good, bad):
        asker.meet()
        assert held(asker.speak()) and held(asker.speak())

    for name, value, status, said in (
        ("reference", 2**63, DelayFeedback.INVALID, "must be less than"),
        ("reference", 1, DelayFeedback.NOT_HELD, "builds on frame 1, the edge holds frame 2"),
        ("checksum", 1, DelayFeedback.NOT_HELD, "the edge holds frame 2"),
        ("checksum", 1, DelayFeedback.DIVERGED, "the robot says 00000001"),
        ("kind", PartialInference.SAMPLE, DelayFeedback.INVALID, "the request is no frame"),
    ):
        key = status == DelayFeedback.DIVERGED
        feedback = bad.speak(key=key, change=lambda request, name=name, value=value: setattr(request, name, value))
        assert (feedback.status, said in feedback.error) == (status, True), feedback.error
        assert held(good.speak()), "nobody else's stream is touched"
    assert edge.output.count("differ in a stream") == 1

    # A stream of a session that nobody holds is not answered. One of a session that ended cannot be continued.
    bad.send(lambda request: setattr(request, "session", 6))
    assert held(bad.speak(key=True)) and held(bad.speak())
    bad.session = 9  # it says hello with this one, and the edge no longer hears the one before
    watcher.until(lambda: 9 in watcher.statuses[-1].robot_sessions, "the new session")
    feedback = bad.speak(change=lambda request: setattr(request, "session", 9))
    assert (feedback.status, feedback.held) == (DelayFeedback.NOT_HELD, 0)
    assert "nothing of this stream" in feedback.error
    watcher.until(lambda: relay.value("/edge_node", "streams held") == 1.0, "an edge with the good robot's stream only")
    assert relay.value("/edge_node", "streams diverged") == 1.0
    assert held(good.speak())
    assert edge.end(signal.SIGTERM) == 0


def test_two_robots_with_alternating_arms_stay_within_the_memory(
    processes: Processes, watcher: Watcher, engine: Engine
) -> None:
    edge, relay = start(processes, "edge_node", "stream_memory_mib:=1"), Relay(watcher)
    robots = [StreamAsker(watcher, engine, name) for name in ("one", "other")]
    sizes = {
        point.index: np.prod(point.tensors[0].shape)
        for point in engine.partitioned.points[1:-1]
        if len(point.tensors) == 1
    }
    arms, memory = (0, min(sizes, key=lambda p: sizes[p])), psutil.Process(edge.popen.pid).memory_info
    for robot in robots:
        robot.meet()
    due = {(robot.robot_id, p): True for robot in robots for p in arms}
    used, evicted = [], 0
    for turn in range(24):
        for robot in robots:
            p = arms[turn % 2] if robot is robots[0] else arms[turn // 3 % 2]
            was_due = due[robot.robot_id, p]
            feedback = robot.speak(p=p, key=was_due)
            assert held(feedback) or (not was_due and "evicted" in feedback.error), feedback.error
            due[robot.robot_id, p] = not held(feedback)
            evicted += not held(feedback)
        used.append(memory().rss)
    assert evicted > 0, "the streams need more than the memory"
    watcher.until(lambda: relay.value("/edge_node", "streams evicted") >= evicted, "the edge's count")
    assert 0.0 < relay.value("/edge_node", "memory of streams [MiB]") <= 1.0
    assert max(used[12:]) - max(used[:12]) < FLAT_BYTES
    assert edge.end(signal.SIGTERM) == 0
