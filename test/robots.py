# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small robot and its edge in one process, for tests of the robot's pipeline."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurosurgeon_ros.calibration.arm_table import ArmTable, build_arm_table
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.edge.streams import STREAM_BYTES
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import Choice, Context, Observation, Policy
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.models import Detections, Letterbox, Model
from neurosurgeon_ros.models.letterbox import letterbox
from neurosurgeon_ros.protocol.requests import Identity, Reply, Request
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import Decision, FrameResult, RobotSettings
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.processor import FrameProcessor
from neurosurgeon_ros.robot.uplink.inbox import Inbox
from neurosurgeon_ros.robot.uplink.link import NO_EDGE, Obstacle

SIDE = 32
#: Time limit for events that must happen, in seconds. A passing test never waits that long.
LONG_S = 30.0
#: Time to wait for events that must not happen, in seconds.
SHORT_S = 0.01


class Small(nn.Module):
    """Two convolutions and poolings. Later cuts carry fewer bytes."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.pool1 = nn.MaxPool2d(4)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)
        self.pool2 = nn.MaxPool2d(2)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 3

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.pool2(self.conv2(self.pool1(self.conv1(image.float() / 255))))


def small_model() -> Model:
    """Return a model whose detections differ for different inputs."""

    def postprocess(outputs: torch.Tensor, fitted: Letterbox, *, confidence: float, iou: float) -> Detections:
        values = outputs.flatten()[:4].double().numpy()
        score = float(torch.sigmoid(outputs.mean()))
        count = int(score >= confidence)
        return Detections(np.abs(values)[None][:count], np.full(count, score), np.zeros(count, dtype=np.int64))

    example = torch.zeros((1, 3, SIDE, SIDE), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    return Model(
        name="small",
        labels=("thing",),
        network=Small().eval().requires_grad_(False).to(memory_format=torch.channels_last),
        example_input=example,
        preprocess=lambda image: letterbox(image, SIDE, SIDE),
        postprocess=postprocess,
    )


@functools.cache
def small_engine() -> Engine:
    """Return the partitioned small network."""
    return Engine(small_model())


@functools.cache
def small_table() -> ArmTable:
    """Return its measured arms."""
    return build_arm_table(small_engine(), ("fp32", "uint8"), repeats=2, keep_all=True)


def picture(seed: int, height: int = 24, width: int = 40) -> NDArray[np.uint8]:
    """Return a BGR image of noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def whole(image: NDArray[np.uint8], confidence: float = 0.0) -> Detections:
    """Return the detections of the whole network."""
    engine = small_engine()
    x, fitted = engine.model.preprocess(image)
    return engine.model.postprocess(engine.partitioned.run_whole(x), fitted, confidence=confidence, iou=0.5)


def equal(one: Detections, other: Detections) -> bool:
    """Return whether two detections are bit-for-bit equal."""
    pairs = ((one.boxes, other.boxes), (one.scores, other.scores), (one.classes, other.classes))
    return all(np.array_equal(a, b) for a, b in pairs)


class Spy:
    """A policy between the pipeline and another policy. It records contexts and observations."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.contexts: list[Context] = []
        self.observations: list[Observation] = []

    def select(self, context: Context) -> Choice:
        self.contexts.append(context)
        return self.policy.select(context)

    def observe(self, observation: Observation, context: Context) -> None:
        self.observations.append(observation)
        self.policy.observe(observation, context)


class Chooser:
    """A policy that chooses what the test tells it to."""

    def __init__(self, choose: Callable[[Context], Choice]) -> None:
        self.choose = choose

    def select(self, context: Context) -> Choice:
        return self.choose(context)

    def observe(self, observation: Observation, context: Context) -> None:
        pass


class Sink:
    """Keeps the pipeline's results."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.results: list[FrameResult] = []
        self.decisions: list[Decision] = []
        self.reasons: list[str] = []

    def detections(self, result: FrameResult) -> None:
        self.events.append(("detections", result.sequence))
        self.results.append(result)

    def decision(self, decision: Decision) -> None:
        self.events.append(("decision", decision.sequence))
        self.decisions.append(decision)

    def rejected(self, reason: str) -> None:
        self.reasons.append(reason)


class Edge:
    """
    An uplink to a real edge server in this process, with answers that a test can handle.

    :param handle: called with each answer instead of :meth:`deliver`, from the server's thread.
    :param stream_bytes: maximum memory of its streams.
    """

    lifespan_s = math.inf

    def __init__(
        self,
        handle: Callable[[Edge, Reply], None] | None = None,
        *,
        stream_bytes: int = STREAM_BYTES,
        edge_id: str = "edge",
    ) -> None:
        self.edge_id = edge_id
        self.edge_session = 1
        self._stream_bytes = stream_bytes
        self.requests: list[Request] = []
        self.problems: list[str] = []
        self.blocked: Obstacle | None = None
        self.inbox: Inbox | None = None
        self.handle = handle or Edge.deliver
        self.server = self._new_server()

    def _new_server(self) -> EdgeServer:
        engine = small_engine()
        return EdgeServer(
            {engine.fingerprint: engine},
            lambda reply: self.handle(self, reply),
            on_problem=self.problems.append,
            stream_bytes=self._stream_bytes,
        )

    def __enter__(self) -> Edge:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()

    def obstacle(self) -> Obstacle | None:
        return self.blocked

    def publish(self, request: Request) -> None:
        self.requests.append(request)
        self.server.submit(request)

    def restart(self) -> None:
        """Begin again with nothing held, so quickly that the robot never misses the edge."""
        self.server.stop()
        self.server = self._new_server()
        self.server.start()

    def vanish(self) -> None:
        """Disappear, as seen by the robot."""
        self.blocked = NO_EDGE
        assert self.inbox is not None
        self.inbox.ring()

    def deliver(self, reply: Reply) -> None:
        """Deliver an answer to the robot."""
        assert self.inbox is not None
        if reply.detections is not None:
            self.inbox.put_detections(reply.feedback.key, reply.detections)
        self.inbox.put_feedback(reply.feedback)


@dataclass
class Robot:
    """
    A frame processor with everything that it needs.

    :ivar counts: counts of the frames fed so far.
    """

    processor: FrameProcessor
    policy: Spy
    sink: Sink
    edge: Edge
    counts: Counts = field(default_factory=Counts)

    def add(self, edge: Edge) -> None:
        """Add another edge, which is a candidate from the next frame on."""
        edge.inbox = self.processor.edges.add(edge.edge_id, edge).requests.inbox

    def feed(self, image: NDArray[np.uint8] | None = None, *, deadline_s: float = LONG_S) -> FrameResult:
        """Process one frame completely, and return its result."""
        self.processor.finish(self.begin(image, deadline_s=deadline_s))
        return self.sink.results[-1]

    def begin(self, image: NDArray[np.uint8] | None = None, *, deadline_s: float = LONG_S) -> Flight:
        """Process one frame up to the point where the robot waits for an answer."""
        number = self.counts.accepted + 1
        self.counts = replace(self.counts, received=number, accepted=number)
        self.processor.settings = replace(self.processor.settings, deadline_s=deadline_s)
        image = picture(number) if image is None else image
        arrival = Arrival(f"header {number}", time.monotonic(), lambda: image)
        return self.processor.begin(arrival, image, self.counts, self.processor.clock())


def make_robot(
    edge: Edge,
    policy: Policy | str = "edge_only",
    *,
    throttle: Throttle | None = None,
    clock: Callable[[], float] = time.monotonic,
    table: ArmTable | None = None,
) -> Robot:
    """Return a robot that runs the small network, with its usual arms or those of another table."""
    table = small_table() if table is None else table

    def made(table: ArmTable) -> Policy:
        return make_policy(policy, n_arms=len(table.arms)) if isinstance(policy, str) else policy

    spy = Spy(made(table))
    sink = Sink()
    processor = FrameProcessor(
        identity=Identity("robot", 7),
        engine=small_engine(),
        table=table,
        policy=spy,
        policy_name="tested",
        key_frames=KeyFrameDetector(),
        link=edge,
        sink=sink,
        settings=RobotSettings(confidence=0.0),
        throttle=throttle or Throttle(),
        make_policy=lambda table, _name: made(table),
        clock=clock,
    )
    edge.inbox = processor.uplink.requests.inbox
    return Robot(processor, spy, sink, edge)
