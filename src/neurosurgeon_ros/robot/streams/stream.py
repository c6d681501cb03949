# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One stream of a robot: its encoders, and the frames whose answers are unknown."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.codecs.streams.stream import StreamEncoder
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest

#: A stream that was not used for this many seconds begins again: its reference shows another scene.
LONGEST_PAUSE_S = 5.0

#: After this many failures in a row, an arm sends its tensors without memory. A failure is a key that the edge refused,
#: other than for load, or a frame that an encoder failed on.
MOST_FAILURES = 3


@dataclass(frozen=True, slots=True, eq=False)
class EncodedFrame:
    """
    A frame's encoded tensors.

    :param reference: frame of the stream that they build on; 0: none.
    :param checksum: checksum of what the edge must hold of the stream after them; 0: they belong to no stream.
    :param is_key: whether they are a stream's key.
    """

    tensors: tuple[EncodedTensor, ...]
    reference: int = 0
    checksum: int = 0
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """
    Streams now, and what happened to them since the start.

    :param held: streams that have an encoder now.
    :param held_bytes: memory that the encoders take.
    :param keys: keys that were sent.
    :param broken: how often a stream began again because the edge may hold something else.
    :param diverged: of these, how often the edge said that its checksum is another one.
    :param failed: frames that an encoder failed to encode.
    """

    held: int = 0
    held_bytes: int = 0
    keys: int = 0
    broken: int = 0
    diverged: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class SentFrame:
    """A frame of a stream that was sent."""

    request: OutstandingRequest
    is_key: bool


@dataclass(slots=True, eq=False)
class Stream:
    """
    One stream.

    :param arm: its arm, whose codec has memory.
    :param encoders: one for each tensor that the codec with memory carries, by its position; empty before the first
        key.
    :param newest: sequence of the newest frame that was encoded and sent; 0: none.
    :param is_key_due: whether the next frame has to be a key.
    :param used_s: clock time of the newest frame.
    :param unanswered: the newest key and the frames after it, as far as their answers are unknown.
    :param failures: failures since the edge last accepted a key.
    """

    arm: Arm
    encoders: dict[int, StreamEncoder] = field(default_factory=dict)
    newest: int = 0
    is_key_due: bool = True
    used_s: float = 0.0
    unanswered: list[SentFrame] = field(default_factory=list)
    failures: int = 0

    @property
    def held_bytes(self) -> int:
        """Return the memory that the encoders take."""
        return sum(encoder.held_bytes for encoder in self.encoders.values())

    def needs_key(self, now_s: float) -> bool:
        """Return whether the next frame has to be a key."""
        return self.is_key_due or now_s - self.used_s > LONGEST_PAUSE_S

    def fail(self) -> bool:
        """Begin again with new encoders. Return whether it failed so often that its arm goes on without memory."""
        self.encoders.clear()
        self.is_key_due = True
        self.failures += 1
        return self.failures >= MOST_FAILURES
