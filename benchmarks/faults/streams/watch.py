# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counts how often streams broke and how they went on, from the messages on the link, without trusting the robot."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rclpy.serialization import deserialize_message

from benchmarks.faults.stage.relay import Relay
from neurosurgeon_ros.codecs import is_stream_codec
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, PartialInference

#: Identifies a frame: its robot's session and its sequence. Sessions are random.
FrameKey = tuple[int, int]


@dataclass(slots=True)
class SentFrame:
    """
    A frame of a stream that a robot sent, and the first answers that reached the robot.

    :param held: frame that the edge holds, according to its feedback; None: no feedback came.
    """

    key: FrameKey
    is_key: bool
    held: int | None = None
    has_detections: bool = False

    @property
    def is_refused(self) -> bool:
        """Return whether the edge answered that it does not hold the frame."""
        return self.held is not None and self.held != self.key[1]

    @property
    def is_broken(self) -> bool:
        """Return whether the robot cannot know that the edge holds the frame."""
        return self.is_refused or (self.held is None and not self.has_detections)

    @property
    def is_finished(self) -> bool:
        """Return whether the stream broke, and the frame was finished on the robot because no detections came."""
        return self.is_broken and not self.has_detections


@dataclass(frozen=True, slots=True)
class StreamTally:
    """
    Counts of the frames of streams in one interval.

    :param sent: frames that were sent.
    :param keys: of these, keys.
    :param broken: how often a stream broke. Broken frames one after another count once.
    :param finished: frames of broken streams that were finished on the robot.
    :param more: frames that the edge refused after the first broken one, and that were finished on the robot.
    :param astray: frames after a broken one that were no keys.
    """

    sent: int = 0
    keys: int = 0
    broken: int = 0
    finished: int = 0
    more: int = 0
    astray: int = 0

    def failures(self, *, breaks: bool) -> list[str]:
        """
        Return the promises that were not kept.

        :param breaks: whether streams may have broken.
        """
        return [
            text
            for text, kept in (
                ("no frame of a stream was sent", self.sent > 0),
                (f"{self.broken} streams broken", breaks or self.broken == 0),
                (f"{self.more} more frames finished on the robot than streams broken", self.more == 0),
                (f"{self.astray} broken streams that went on without a key", self.astray == 0),
            )
            if not kept
        ]


def tally_of(streams: Sequence[Sequence[SentFrame]]) -> StreamTally:
    """Count the frames of streams, each in the order in which it was sent."""
    runs = [
        list(run)
        for stream in streams
        for is_broken, run in itertools.groupby(stream, key=lambda frame: frame.is_broken)
        if is_broken
    ]
    pairs = [pair for stream in streams for pair in itertools.pairwise(stream)]
    return StreamTally(
        sent=sum(map(len, streams)),
        keys=sum(frame.is_key for stream in streams for frame in stream),
        broken=len(runs),
        finished=sum(frame.is_finished for run in runs for frame in run),
        more=sum(frame.is_refused and frame.is_finished for run in runs for frame in run[1:]),
        astray=sum(before.is_broken and not after.is_key for before, after in pairs),
    )


class StreamWatch:
    """Follows the streams of all robots of a relay. Its callbacks run in the relay's threads."""

    def __init__(self, relay: Relay) -> None:
        self._lock = threading.Lock()
        self._frames: dict[FrameKey, SentFrame] = {}
        self._streams: dict[tuple[int, int, str], list[SentFrame]] = defaultdict(list)
        relay.on_taken, relay.on_delivered = self._on_taken, self._on_delivered

    def begin(self) -> None:
        """Forget what was sent. No frame may be under way."""
        with self._lock:
            self._frames.clear()
            self._streams.clear()

    def tally(self) -> StreamTally:
        """Count the frames since :meth:`begin`. No frame may be under way."""
        with self._lock:
            return tally_of(list(self._streams.values()))

    def _on_taken(self, kind: str, message: bytes) -> None:
        if kind != "partial_inference":
            return
        request = deserialize_message(message, PartialInference)
        streamed = [tensor.codec for tensor in request.tensors if is_stream_codec(tensor.codec)]
        if request.kind != PartialInference.FRAME or not streamed or not request.checksum:
            return
        key = (request.session, request.sequence)
        frame = SentFrame(key, request.reference == 0)
        with self._lock:
            self._frames[key] = frame
            self._streams[request.session, request.partition_point, streamed[0]].append(frame)

    def _on_delivered(self, kind: str, message: bytes) -> None:
        if kind == "delay_feedback":
            feedback = deserialize_message(message, DelayFeedback)
            with self._lock:
                frame = self._frames.get((feedback.session, feedback.sequence))
                if frame is not None and frame.held is None and feedback.kind == PartialInference.FRAME:
                    frame.held = feedback.held
        elif kind == "detections":
            answer = deserialize_message(message, EdgeDetections)
            with self._lock:
                frame = self._frames.get((answer.session, answer.sequence))
                if frame is not None:
                    frame.has_detections = True
