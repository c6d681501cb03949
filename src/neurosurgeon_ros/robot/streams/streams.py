# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Streams of a robot: the encoders of codecs with memory, and the decision when a frame has to be a key.

Each frame builds on the frame that was encoded before it, whether that is answered or not, so several frames may be on
the way. A stream begins again with a key if the edge may hold something else: it said so, an answer is missing, or a
frame was encoded and not sent. It also begins again where a difference would be of no use.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, is_stream_codec
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.stream_frames import encode_frame, new_encoders
from neurosurgeon_ros.learning.interface import BoolArray
from neurosurgeon_ros.protocol.requests import Key, Status, stream_checksum
from neurosurgeon_ros.robot.streams.stream import MOST_FAILURES, EncodedFrame, SentFrame, Stream, StreamCounts
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest

#: Maximum memory of all encoders, in bytes.
STREAM_BYTES = 64 << 20


class RobotStreams:
    """
    A robot's streams to its edge. Used only by the robot's worker thread, except `counts` and `problem`.

    :param is_outstanding: returns whether a request can still be answered.
    :param memory_bytes: maximum memory of all encoders; the stream that was not used for the longest time goes first.

    :ivar counts: see :class:`StreamCounts`.
    :ivar problem: why an encoder failed last, or an arm sends without memory, in one sentence; empty if nothing did.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        is_outstanding: Callable[[Key], bool],
        memory_bytes: int = STREAM_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = StreamCounts()
        self.problem = ""
        self._engine = engine
        self._is_outstanding = is_outstanding
        self._memory_bytes = memory_bytes
        self._clock = clock
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._table: ArmTable | None = None
        self._edge_session = 0
        self._shape: tuple[int, ...] = ()
        self._unsent: tuple[Stream, bool, bool] | None = None

    def follow(self, table: ArmTable, edge_session: int, shape: tuple[int, ...]) -> None:
        """
        Begin every stream again if the arms, the edge or the camera's size are other ones than for the frame before.

        :param edge_session: number of the edge's present start.
        :param shape: shape of the camera's image, (height, width, 3).
        """
        if table is not self._table or edge_session != self._edge_session:
            self._streams.clear()
        if shape != self._shape:
            for stream in self._streams.values():
                stream.is_key_due = True
        self._table, self._edge_session, self._shape = table, edge_session, shape

    def begin_again(self) -> None:
        """Drop every stream, because the next frames go to another edge: the first one after that is a key."""
        self._streams.clear()
        self._count_held()

    def keys_due(self, image: CameraImage) -> BoolArray:
        """
        Return for which arms a frame would have to be a stream's key now. Call :meth:`follow` before.

        :param image: the frame's image.
        :returns: shape (n,).
        """
        table = self._table
        assert table is not None
        due, now_s = np.zeros(len(table.arms), dtype=np.bool_), self._clock()
        for index in np.flatnonzero(table.key_bytes):
            stream = self._streams.get(table.arms[index].name)
            if stream is not None:
                self._settle(stream)
            due[index] = stream is None or stream.needs_key(now_s) or not stream.continues(image)
        return due

    def encode(self, arm: Arm, tensors: Callable[[], Sequence[torch.Tensor]], image: CameraImage) -> EncodedFrame:
        """
        Encode a frame as the next one of its arm's stream. Call :meth:`sent` once it is sent.

        A tensor that cannot be part of a stream is sent without memory, and so are all tensors if an encoder fails.

        :param arm: an arm whose codec has memory.
        :param tensors: returns the tensors at the arm's partition point.
        :param image: the camera's image, for an arm that sends it.
        :raises CodecError: if an encoder fails and the tensors have no plain codec.
        """
        stream = self._streams.setdefault(arm.name, Stream(arm))
        self._streams.move_to_end(arm.name)
        self._settle(stream)
        self._unsent, now_s = None, self._clock()
        if stream.failures >= MOST_FAILURES:
            return EncodedFrame(self._engine.encode_plainly(arm.point, tensors()))
        is_key = stream.needs_key(now_s) or not stream.continues(image)
        stream.used_s = now_s
        stream.is_key_due = True  # until the frame is sent, robot and edge differ
        try:
            encoded, is_key = self._encode(stream, tensors, image, key=is_key)
        except Exception as problem:  # the frame still goes to the edge, and the next one with a new encoder
            often = f" {MOST_FAILURES} times, and goes on without memory" if stream.fail() else ""
            self.problem = f"{arm.name} could not be encoded{often}: {type(problem).__name__}: {problem}"
            self.counts = replace(self.counts, failed=self.counts.failed + 1)
            self._count_held()
            return EncodedFrame(self._engine.encode_plainly(arm.point, tensors()))
        streamed = [index for index in stream.encoders if is_stream_codec(encoded[index].codec)]
        is_complete = len(streamed) == len(stream.encoders)
        self._engine.unquantised += len(stream.encoders) - len(streamed)
        if not streamed:
            stream.is_key_due = is_key
            return EncodedFrame(encoded)
        self._unsent = stream, is_key, is_complete
        checksum = stream_checksum([stream.encoders[index].checksum for index in streamed])
        self._count_held()
        return EncodedFrame(encoded, 0 if is_key else stream.newest, checksum, is_key)

    def sent(self, request: OutstandingRequest) -> None:
        """Record that the frame that was encoded last is sent."""
        if self._unsent is None:
            return
        (stream, is_key, is_complete), self._unsent = self._unsent, None
        stream.sent(request, is_key=is_key, is_complete=is_complete)
        self.counts = replace(self.counts, keys=self.counts.keys + is_key)

    def have_failed(self) -> bool:
        """Return whether the last key of any stream failed, so that samples had better do without memory."""
        for stream in self._streams.values():
            self._settle(stream)
        return any(stream.failures for stream in self._streams.values())

    def _encode(
        self, stream: Stream, tensors: Callable[[], Sequence[torch.Tensor]], image: CameraImage, *, key: bool
    ) -> tuple[tuple[EncodedTensor, ...], bool]:
        """Encode a frame, as a key if it cannot build on another one. Return whether it is one."""
        if not key:
            with suppress(CodecError):  # the picture has other margins than the key, for example
                return self._encode_as(stream, tensors, image, key=False), False
            stream.encoders.clear()
        return self._encode_as(stream, tensors, image, key=True), True

    def _encode_as(
        self, stream: Stream, tensors: Callable[[], Sequence[torch.Tensor]], image: CameraImage, *, key: bool
    ) -> tuple[EncodedTensor, ...]:
        specs = self._engine.partitioned.points[stream.arm.point].tensors
        if not stream.encoders:
            stream.encoders = new_encoders(stream.arm, specs)
        return encode_frame(stream.arm, specs, stream.encoders, tensors, image, key=key)

    def _settle(self, stream: Stream) -> None:
        """Make a key due if the edge does not hold what was sent."""
        sent = stream.settle(self._is_outstanding)
        if sent is not None:
            self._begin_again(stream, sent)

    def _begin_again(self, stream: Stream, sent: SentFrame) -> None:
        """Count that a stream begins again, because the edge does not hold a frame that was sent."""
        feedback = sent.request.feedback
        status = None if feedback is None else feedback.status
        if status is Status.OK:
            return  # the edge has too little memory for this stream
        self.counts = replace(
            self.counts,
            broken=self.counts.broken + 1,
            diverged=self.counts.diverged + (status is Status.DIVERGED),
        )
        is_refused = sent.is_key and feedback is not None and status is not Status.OVERLOADED
        if is_refused and feedback is not None and stream.fail():
            self.problem = f"{stream.arm.name} goes on without memory, the edge refused its keys: {feedback.error}"

    def _count_held(self) -> None:
        """Drop streams until the memory suffices, and count those that are left."""
        while (held_bytes := sum(stream.held_bytes for stream in self._streams.values())) > self._memory_bytes:
            self._streams.popitem(last=False)
        held = sum(bool(stream.encoders) for stream in self._streams.values())
        self.counts = replace(self.counts, held=held, held_bytes=held_bytes)
