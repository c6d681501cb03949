# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Streams that an edge holds: the decoders of codecs with memory, for each arm of each robot session.

A frame of a stream is decoded only if the edge holds the frame that it builds on, and it counts only if the edge then
holds what the robot says. Everything else is refused, and never decoded against something else. The memory is bounded:
the stream that was not used for the longest time is dropped first, and its robot is told at its next request.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

import torch

from neurosurgeon_ros.codecs import CodecError, TensorSpec, get_codec, get_stream_codec, is_stream_codec
from neurosurgeon_ros.codecs.streams.camera_stream import ImageDecoder
from neurosurgeon_ros.codecs.streams.stream import StreamDecoder
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.protocol.requests import Request, stream_checksum

#: Default maximum memory of all streams, in bytes.
STREAM_BYTES = 256 << 20

#: Maximum number of dropped streams whose reason is kept for their robots.
MOST_REASONS = 1024


@dataclass(frozen=True, slots=True)
class StreamName:
    """Identifies a stream: one arm of one robot session. Frames of another session never find it."""

    robot_id: str
    session: int
    fingerprint: str
    point: int
    codec: str

    @classmethod
    def of(cls, request: Request) -> StreamName:
        """Return the name of the stream that a request belongs to."""
        key = request.key
        return cls(key.robot_id, key.session, request.fingerprint, request.partition_point, request.stream_codec)


class NotHeld(Exception):
    """
    The edge does not hold the frame that a request builds on; the message is one sentence.

    :ivar held: sequence of the frame that it holds of the stream instead; 0: nothing.
    """

    def __init__(self, text: str, held: int = 0) -> None:
        super().__init__(text)
        self.held = held


class Diverged(Exception):
    """After decoding, the edge held something other than the robot says; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """
    Streams now, and requests of streams since the start.

    :param held: streams held now.
    :param held_bytes: memory that they take, in bytes.
    :param keys: keys that were decoded.
    :param evicted: streams that were dropped because the memory was used up.
    :param not_held: requests refused because their reference was not held.
    :param diverged: requests after which the checksum was wrong.
    """

    held: int = 0
    held_bytes: int = 0
    keys: int = 0
    evicted: int = 0
    not_held: int = 0
    diverged: int = 0


@dataclass(slots=True, eq=False)
class _Stream:
    """
    One stream.

    :param held: sequence of the frame that the decoders hold; 0 until the first one is decoded.
    :param held_bytes: memory that the decoders take.
    :param decoders: one for each tensor that was sent with the codec since the last key, by its position.
    """

    held: int = 0
    held_bytes: int = 0
    decoders: dict[int, StreamDecoder] = field(default_factory=dict)

    def decode(self, index: int, request: Request, engine: Engine, spec: TensorSpec) -> torch.Tensor:
        """Decode one tensor; raises NotHeld or CodecError."""
        encoded, key = request.tensors[index], not request.reference
        if not is_stream_codec(encoded.codec):
            if key:
                self.decoders.pop(index, None)
            return get_codec(encoded.codec).decode(encoded, spec)
        decoder = self.decoders.get(index)
        if decoder is None:
            if not key:
                raise NotHeld(f"the last key had no tensor {spec.name} with {encoded.codec}: send a key")
            decoder = self.decoders[index] = get_stream_codec(encoded.codec).decoder(spec)
        if not isinstance(decoder, ImageDecoder):
            return decoder.decode(encoded, key=key)
        image = decoder.image(encoded, key=key)
        height, width = image.shape[:2]
        told = request.letterbox
        if told is None or (width, height) != (told.image_width, told.image_height):
            raise CodecError(
                f"tensor {spec.name} is a picture of {width} x {height} pixels, the request says otherwise"
            )
        return engine.preprocessed(image, spec)


class StreamStore:
    """
    The streams of all robots. One thread decodes; any thread may call the other methods.

    :param memory_bytes: maximum memory of all streams together. While a frame is decoded, its stream comes on top.
    """

    def __init__(self, memory_bytes: int = STREAM_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._streams: OrderedDict[StreamName, _Stream] = OrderedDict()
        self._reasons: OrderedDict[StreamName, str] = OrderedDict()
        self._held_bytes = 0
        self._tally: Counter[str] = Counter()

    @property
    def counts(self) -> StreamCounts:
        """Return the counts."""
        with self._lock:
            return StreamCounts(held=len(self._streams), held_bytes=self._held_bytes, **self._tally)

    def held(self, request: Request) -> int:
        """Return the frame that is held of a request's stream; 0: nothing, or the request belongs to no stream."""
        with self._lock:
            stream = self._streams.get(StreamName.of(request))
            return 0 if stream is None else stream.held

    def decode(self, request: Request, engine: Engine) -> tuple[tuple[torch.Tensor, ...], int]:
        """
        Decode the next frame of a stream, whose fields are already checked against the network.

        :returns: the tensors, which share no memory with the stream; and the frame that the edge now holds: this one,
            or 0 if the stream needs more memory than there is.
        :raises NotHeld: the reference is not held, or the frame is not newer than the one that is. The stream stays.
        :raises Diverged: the robot holds something else. The stream is dropped, as it is after any other error.
        :raises CodecError: a tensor cannot be decoded.
        """
        name = StreamName.of(request)
        stream = self._find(name, request)
        specs = engine.partitioned.points[request.partition_point].tensors
        try:
            tensors = tuple(stream.decode(index, request, engine, spec) for index, spec in enumerate(specs))
        except Exception as problem:
            is_incomplete = isinstance(problem, NotHeld)
            reason = "its last key was incomplete" if is_incomplete else "its last frame could not be decoded"
            self._drop(name, stream, reason, not_held=is_incomplete)
            raise
        parts = [stream.decoders[n].checksum for n, one in enumerate(request.tensors) if is_stream_codec(one.codec)]
        if stream_checksum(parts) != request.checksum:
            self._drop(name, stream, "its checksum was wrong", diverged=True)
            raise Diverged(
                f"the checksum after frame {request.key.sequence} is {stream_checksum(parts):08x}, the robot says "
                f"{request.checksum:08x}: send a key"
            )
        return tensors, self._keep(name, stream, request)

    def forget(self, robot_id: str) -> None:
        """Drop the streams of a robot that is gone, of all its sessions."""
        with self._lock:
            for name in [name for name in self._streams if name.robot_id == robot_id]:
                self._remove(name)
            for name in [name for name in self._reasons if name.robot_id == robot_id]:
                del self._reasons[name]

    def _find(self, name: StreamName, request: Request) -> _Stream:
        """Return the stream that a request continues or begins; raises NotHeld."""
        sequence, reference = request.key.sequence, request.reference
        with self._lock:
            stream = self._streams.get(name)
            held = 0 if stream is None else stream.held
            if held >= sequence:
                self._tally["not_held"] += 1
                raise NotHeld(f"frame {sequence} came after frame {held} of its stream, so it is not decoded", held)
            if reference and reference != held:
                self._tally["not_held"] += 1
                reason = self._reasons.get(name, "")
                instead = f"frame {held}" if held else f"nothing of this stream{reason and f', {reason}'}"
                raise NotHeld(f"frame {sequence} builds on frame {reference}, the edge holds {instead}", held)
            if stream is None:
                stream = self._streams[name] = _Stream()
            self._streams.move_to_end(name)
            return stream

    def _keep(self, name: StreamName, stream: _Stream, request: Request) -> int:
        """Record a decoded frame, and drop streams until the memory suffices. Return the frame that is held."""
        held_bytes = sum(decoder.held_bytes for decoder in stream.decoders.values())
        with self._lock:
            self._tally["keys"] += not request.reference
            if self._streams.get(name) is not stream:
                return 0  # its robot left in the meantime
            self._held_bytes += held_bytes - stream.held_bytes
            stream.held, stream.held_bytes = request.key.sequence, held_bytes
            self._reasons.pop(name, None)
            if held_bytes > self._memory_bytes:
                self._streams.move_to_end(name, last=False)  # the others need not go because of it
            while self._held_bytes > self._memory_bytes:
                oldest = next(iter(self._streams))
                self._remove(oldest)
                self._give_reason(oldest, "it was evicted because stream_memory_mib is used up")
                self._tally["evicted"] += 1
            return stream.held if name in self._streams else 0

    def _drop(self, name: StreamName, stream: _Stream, reason: str, **counted: bool) -> None:
        with self._lock:
            self._tally.update(counted)
            if self._streams.get(name) is stream:
                self._remove(name)
                self._give_reason(name, reason)

    def _remove(self, name: StreamName) -> None:
        self._held_bytes -= self._streams.pop(name).held_bytes

    def _give_reason(self, name: StreamName, reason: str) -> None:
        self._reasons[name] = reason
        self._reasons.move_to_end(name)
        if len(self._reasons) > MOST_REASONS:
            self._reasons.popitem(last=False)
