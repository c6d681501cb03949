# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams at a partition point that two tensors cross, one of which may not be finite: robot and edge stay the same."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from robots import SIDE, picture, small_model
from stream_codec import NAME, Encoder, register
from torch import nn

from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.codecs.codec import from_memory_order
from neurosurgeon_ros.edge.streams import NotHeld, StreamStore
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Request, Status
from neurosurgeon_ros.robot.streams.stream import EncodedFrame
from neurosurgeon_ros.robot.streams.streams import RobotStreams
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest


class Forked(nn.Module):
    """Two branches, so that two tensors cross between them and their sum."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.left = nn.Conv2d(4, 4, 3, padding=1)
        self.right = nn.Conv2d(4, 4, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.conv(image.float() / 255)
        return torch.relu(self.left(x)) + torch.relu(self.right(x))


@functools.cache
def forked_engine() -> Engine:
    model = small_model()
    network = Forked().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return Engine(replace(model, network=network), keep_all=True)


def forked_arm(engine: Engine) -> Arm:
    points = engine.partitioned.points
    return next(arm for arm in engine.arms((NAME,)) if arm.is_stream and len(points[arm.point].tensors) == 2)


class Pair:
    """A robot's streams and an edge's, with requests that are answered at once."""

    def __init__(self) -> None:
        self.engine = forked_engine()
        self.arm = forked_arm(self.engine)
        self.robot = RobotStreams(self.engine, is_outstanding=lambda key: False)
        self.store = StreamStore(1 << 24)
        self.number = 0
        self.generator = torch.Generator().manual_seed(0)

    def believed(self, index: int) -> torch.Tensor:
        """Return what the robot believes that the edge holds of a tensor."""
        encoder = self.robot._streams[self.arm.name].encoders[index]
        assert isinstance(encoder, Encoder) and encoder._codes is not None
        low, step = encoder._range
        values = (encoder._codes.astype(np.float32) * step + low).astype(np.float32)
        return from_memory_order(
            torch.from_numpy(values), self.engine.partitioned.points[self.arm.point].tensors[index]
        )

    def frame(
        self, *, finite: tuple[bool, bool] = (True, True), edge_forgets: bool = False
    ) -> tuple[EncodedFrame, int]:
        """Send a frame, and return what was sent and what the edge then says that it holds."""
        self.number += 1
        specs = self.engine.partitioned.points[self.arm.point].tensors
        tensors = [
            torch.randn(spec.shape, generator=self.generator).contiguous(memory_format=torch.channels_last)
            for spec in specs
        ]
        for tensor, is_finite in zip(tensors, finite, strict=True):
            if not is_finite:
                tensor[0, 0, 0, 0] = torch.nan
        sent = self.robot.encode(self.arm, lambda: tensors, CameraImage(picture(1)))
        request = Request(
            Key("robot", 7, self.number, Kind.FRAME), None, "f", self.arm.point, sent.tensors, None, 0.0, 0.5,
            reference=sent.reference, checksum=sent.checksum,
        )  # fmt: skip
        outstanding = OutstandingRequest(request.key, 0, None, 0.0, request.payload_bytes)
        self.robot.sent(outstanding)
        if edge_forgets:
            self.store.forget("robot")
        if not request.is_of_stream:
            outstanding.feedback = Feedback(request.key)
            return sent, 0
        try:
            decoded, held = self.store.decode(request, self.engine)
        except NotHeld as problem:
            outstanding.feedback = Feedback(request.key, Status.NOT_HELD, str(problem), held=problem.held)
            return sent, problem.held
        for index, (tensor, got, is_finite) in enumerate(zip(tensors, decoded, finite, strict=True)):
            held_here = self.believed(index) if is_finite else tensor.nan_to_num()
            assert torch.equal(got.nan_to_num(), held_here), "what the robot believes, or what was sent as it is"
        outstanding.feedback = Feedback(request.key, held=held)
        return sent, held


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Pair:
    register(monkeypatch)
    return Pair()


def codecs_of(sent: EncodedFrame) -> list[str]:
    return [tensor.codec for tensor in sent.tensors]


def test_two_tensors_have_one_stream(pair: Pair) -> None:
    assert pair.frame()[1] == 1
    sent, held = pair.frame()
    assert (sent.reference, held, codecs_of(sent)) == (1, 2, [NAME, NAME])
    assert pair.store.counts.held_bytes == pair.robot.counts.held_bytes == 2 * 4 * SIDE * SIDE


def test_a_frame_that_is_not_finite_travels_outside_the_stream_which_goes_on(pair: Pair) -> None:
    pair.frame()
    sent, _ = pair.frame(finite=(False, False))
    assert codecs_of(sent) == ["fp32", "fp32"] and (sent.reference, sent.checksum) == (0, 0)
    sent, held = pair.frame()
    assert (sent.reference, held) == (1, 3)
    assert pair.engine.unquantised >= 2


def test_a_tensor_that_is_not_finite_is_left_out_of_the_stream(pair: Pair) -> None:
    pair.frame()
    sent, held = pair.frame(finite=(True, False))
    assert (sent.reference, held, codecs_of(sent)) == (1, 2, [NAME, "fp32"])
    sent, held = pair.frame()
    assert (sent.reference, held, codecs_of(sent)) == (2, 3, [NAME, NAME])


def test_a_key_that_leaves_a_tensor_out_is_followed_by_a_key(pair: Pair) -> None:
    sent, held = pair.frame(finite=(True, False))
    assert sent.is_key and held == 1
    sent, held = pair.frame()
    assert sent.is_key and held == 2
    assert pair.frame()[0].reference == 2


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=12))
def test_robot_and_edge_never_differ(events: list[tuple[bool, bool, bool]]) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        register(monkeypatch)
        pair = Pair()
        is_broken = False
        for left, right, edge_forgets in events:
            sent, held = pair.frame(finite=(left, right), edge_forgets=edge_forgets)
            assert pair.store.counts.diverged == 0
            if is_broken and sent.checksum:
                assert sent.is_key and held == pair.number
                is_broken = False
            if sent.checksum and held != pair.number:
                assert edge_forgets or sent.reference, "a key is always held"
                is_broken = True
