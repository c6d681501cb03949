# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Decode a camera's video in a thread of its own.

A packet builds on the ones before it, so every packet is decoded, in order, also those whose pictures the robot has no
time for. The robot joins at a key frame, and again after a packet that is missing or damaged.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurosurgeon_ros.camera.packet_gaps import PtsGaps
from neurosurgeon_ros.camera.video_messages import READERS, VideoPacket
from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.codecs.streams.video.bits import DamagedVideo
from neurosurgeon_ros.codecs.streams.video.received.chain import ChainKeeper
from neurosurgeon_ros.codecs.streams.video.received.decoder import CameraDecoder, KeyMissing, Picture
from neurosurgeon_ros.robot.arrival import Arrival, ImageRejected

#: Maximum number of packets that wait to be decoded, and of their bytes. They take a few milliseconds each.
MOST_WAITING, MOST_WAITING_BYTES = 120, 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    packet: VideoPacket
    received_s: float
    follows: bool


class VideoDecoding:
    """
    Decodes packets from the first one to :meth:`close`.

    :param transport: one of :data:`~neurosurgeon_ros.camera.transports.VIDEO_TRANSPORTS`.
    :param topic: topic of the packets, for messages.
    :param take: called from the thread with each picture.
    :param reject: called with the reason for each packet that gives no picture, in one sentence; from any thread.
    :param skip: called for each packet that comes before a key frame, with :attr:`waits_for`.

    :ivar waits_for: why no picture can be decoded until a key frame comes, in one sentence; empty if pictures come.
    """

    def __init__(
        self,
        transport: str,
        topic: str,
        *,
        take: Callable[[Arrival], object],
        reject: Callable[[str], object],
        skip: Callable[[str], object],
    ) -> None:
        self.waits_for = ""
        self._read, self._topic = READERS[transport], topic
        self._take, self._reject, self._skip = take, reject, skip
        self._condition = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._is_closed = self._has_gap = False
        self._decoder: CameraDecoder | None = None
        self._format = ""
        self._gaps = PtsGaps()
        self._chains = ChainKeeper()
        self._thread: threading.Thread | None = None

    def put(self, message: Any, *, follows: bool = True) -> None:
        """
        Queue the packet of a message; for one thread.

        :param follows: whether no message between the last one and this one was lost.
        """
        try:
            packet = self._read(message)
        except ImageRejected as problem:
            self._has_gap = True
            self._reject(str(problem))
            return
        follows, self._has_gap = follows and not self._has_gap, False
        with self._condition:
            size, dropped = packet.data.nbytes, 0
            if len(self._waiting) >= MOST_WAITING or self._waiting_bytes + size > MOST_WAITING_BYTES:
                dropped = len(self._waiting)
                self._waiting.clear()
                self._waiting_bytes = 0
            self._waiting.append(_Waiting(packet, time.monotonic(), follows and not dropped))
            self._waiting_bytes += size
            self._condition.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="camera video", daemon=True)
            self._thread.start()
        for _ in range(dropped):
            self._reject(
                f"the {packet.format} video on {self._topic} comes faster than this computer decodes it: "
                "publish a smaller picture, or fewer in a second"
            )

    def close(self) -> None:
        """Decode no further packet, and join the thread. Call it from the thread that calls :meth:`put`."""
        with self._condition:
            self._is_closed = True
            self._condition.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while (one := self._next()) is not None:
            self._decode(one)

    def _next(self) -> _Waiting | None:
        with self._condition:
            self._condition.wait_for(lambda: self._waiting or self._is_closed)
            if self._is_closed:
                return None
            one = self._waiting.popleft()
            self._waiting_bytes -= one.packet.data.nbytes
            return one

    def _decode(self, one: _Waiting) -> None:
        packet = one.packet
        if self._decoder is None or packet.format != self._format:
            self._decoder, self._format = CameraDecoder(packet.format), packet.format
            self._wait_for_key("")
        if not (self._gaps.follows(packet.pts) and one.follows) and not self.waits_for:
            self._decoder.forget()
            self._wait_for_key("a packet is missing: ")
        try:
            picture = self._decoder.decode(packet.data)
            self._check_size(packet, picture)
        except KeyMissing:
            self._skip(self.waits_for)
            return
        except Exception as problem:  # bad camera data must not stop the thread
            self._decoder.forget()
            self._wait_for_key("")
            self._reject(_reason(packet, problem))
            return
        self.waits_for = ""
        chain = self._chains.add(packet.data, packet.format, picture.size, is_key=self._decoder.is_key)
        self._take(Arrival(packet.header, one.received_s, picture.bgr, chain))

    def _check_size(self, packet: VideoPacket, picture: Picture) -> None:
        """Check a picture against the size in its message; raises DamagedVideo."""
        if packet.size is not None and packet.size != picture.size:
            width, height = packet.size
            raise DamagedVideo(f"has {picture.size}, but its message says {width} x {height}")

    def _wait_for_key(self, reason: str) -> None:
        self._chains.drop()
        self.waits_for = f"{reason}waits for a key frame of {self._format} on {self._topic}"


def _reason(packet: VideoPacket, problem: Exception) -> str:
    if isinstance(problem, DamagedVideo):
        return f"the {packet.format} packet {problem}"
    return str(problem).rstrip(".") if isinstance(problem, CodecError) else f"{type(problem).__name__}: {problem}"
