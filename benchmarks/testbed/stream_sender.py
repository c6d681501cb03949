# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The sender of the alternative `h264_stream`: encodes an image only when the link is free for it.

A packet that is lost breaks the stream until the next key. So images are dropped before they are encoded: while one is
on the way, the newest image waits, and a newer one replaces it. The receiver acknowledges each packet that it has
decoded. If it cannot decode one, it asks for a key. If neither comes, the packet counts as lost, and a key follows.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from std_msgs.msg import Header

from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.robot.slot import LatestSlot
from testbed.h264_stream import H264Encoder

#: Seconds after which a packet that was not acknowledged counts as lost. A key of 100 kB takes 4 s at 0.2 Mbit/s.
LOST_S = 5.0


class StreamSender:
    """
    Encodes and publishes in a thread of its own.

    :param encode_s: seconds that a key and any other image take to encode, see :func:`.h264_stream.encode_seconds`.
    :param throttle: speed of the emulated robot.
    :param publish: called with each packet, in the sender's thread.
    :param lost_s: seconds after which a packet that was not acknowledged counts as lost.
    """

    def __init__(
        self,
        encoder: H264Encoder,
        encode_s: tuple[float, float],
        throttle: Throttle,
        publish: Callable[[Header, memoryview], None],
        *,
        lost_s: float = LOST_S,
    ) -> None:
        self._encoder, self._encode_s, self._throttle = encoder, encode_s, throttle
        self._publish, self._lost_s = publish, lost_s
        self._newest: LatestSlot[tuple[Header, NDArray[np.uint8]]] = LatestSlot()
        self._free, self._wants_key = threading.Event(), threading.Event()
        self._free.set()
        self._sent: tuple[int, int] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, header: Header, image: NDArray[np.uint8]) -> None:
        """Send an image as soon as the one before is acknowledged, unless a newer one replaces it."""
        self._newest.put((header, image))

    def acknowledge(self, header: Header) -> None:
        """Free the link for the next image; an acknowledgement of another packet than the last one is ignored."""
        if (header.stamp.sec, header.stamp.nanosec) == self._sent:
            self._free.set()

    def request_key(self) -> None:
        """Encode the next image as a key, and do not wait for the packet on the way."""
        self._wants_key.set()
        self._free.set()

    def close(self) -> None:
        """Stop the thread; what waits is dropped."""
        self._newest.close()
        self._free.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            if not self._free.wait(self._lost_s):
                self._wants_key.set()
            item = self._newest.take()
            if item is None:
                return
            self._send(*item)

    def _send(self, header: Header, image: NDArray[np.uint8]) -> None:
        key = self._wants_key.is_set()
        self._wants_key.clear()
        seconds = self._encode_s[0 if key or self._encoder.is_key(image) else 1]
        try:
            with self._throttle.stage(seconds):
                data = self._encoder.encode(image, key=key)
        except CodecError as problem:
            print(f"camera: an image was not sent: {problem}", file=sys.stderr)
            return
        self._free.clear()
        self._sent = header.stamp.sec, header.stamp.nanosec
        self._publish(header, data)
