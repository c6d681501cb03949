# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One stream of a robot: its encoders, and the frames whose answers are unknown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from neurosurgeon_ros.codecs import CameraImage, EncodedTensor
from neurosurgeon_ros.codecs.streams.camera_stream import ImageEncoder
from neurosurgeon_ros.codecs.streams.stream import StreamEncoder
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.protocol.requests import Key
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

    def sent(self, request: OutstandingRequest, *, is_key: bool, is_complete: bool = True) -> None:
        """
        Record that a frame is sent. The next frame builds on it.

        :param is_complete: whether the frame has every tensor of the stream. A key without one is followed by a key,
            because a tensor that it left out has nothing to build on.
        """
        self.newest = request.key.sequence
        self.is_key_due = is_key and not is_complete
        if is_key:
            self.unanswered.clear()
        self.unanswered.append(SentFrame(request, is_key))

    def settle(self, is_outstanding: Callable[[Key], bool]) -> SentFrame | None:
        """
        Compare what the edge says that it holds with what was sent, and make a key due if they differ.

        :param is_outstanding: returns whether a request can still be answered.
        :returns: the oldest frame that the edge does not hold; None if there is none.
        """
        for sent in tuple(self.unanswered):
            is_held = _is_held(sent.request, is_outstanding)
            if is_held is None:
                continue
            self.unanswered.remove(sent)
            if not is_held:
                self.is_key_due = True
                self.unanswered.clear()
                return sent
            if sent.is_key:
                self.failures = 0
        return None

    def continues(self, image: CameraImage) -> bool:
        """Return whether a camera's image can follow the last one without a key, if the arm sends it."""
        if not self.arm.sends_image:
            return True
        return all(isinstance(one, ImageEncoder) and one.continues(image) for one in self.encoders.values())

    def fail(self) -> bool:
        """Begin again with new encoders. Return whether it failed so often that its arm goes on without memory."""
        self.encoders.clear()
        self.is_key_due = True
        self.failures += 1
        return self.failures >= MOST_FAILURES


def _is_held(request: OutstandingRequest, is_outstanding: Callable[[Key], bool]) -> bool | None:
    """Return whether the edge held a frame once it had decoded it; None while that is unknown."""
    if request.feedback is not None:
        return request.feedback.held == request.key.sequence
    return None if is_outstanding(request.key) else request.detections is not None
