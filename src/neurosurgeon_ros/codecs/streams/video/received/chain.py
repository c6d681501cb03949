# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keep the packets of a camera's video that a decoder needs for the newest picture, so that they can be forwarded."""

from __future__ import annotations

from dataclasses import dataclass, field

from neurosurgeon_ros.codecs.streams.video.bits import PictureSize

#: Maximum of packets, of their bytes, and of the pixels of their pictures together, which take an edge about a second.
MOST_PACKETS, MOST_BYTES, MOST_PIXELS = 300, 8 * 1024 * 1024, 250_000_000


@dataclass(frozen=True, slots=True, eq=False)
class VideoChain:
    """
    All packets that the newest picture of a camera's video builds on, and its own.

    :param format: one of :data:`~neurosurgeon_ros.codecs.streams.video.received.decoder.FORMATS`.
    :param first: number of the first packet, which is a key, among all packets of the camera; from 1.
    :param packets: the packets, as the camera's encoder wrote them.
    :param nbytes: number of their bytes.
    """

    format: str
    first: int
    packets: tuple[memoryview, ...] = field(repr=False)
    nbytes: int

    @property
    def last(self) -> int:
        """Return the number of the newest picture's packet."""
        return self.first + len(self.packets) - 1

    def holds(self, number: int) -> bool:
        """Return whether a packet belongs to the chain and is older than the newest one."""
        return self.first <= number < self.last

    def after(self, number: int) -> tuple[memoryview, ...]:
        """Return the packets after one that the chain holds."""
        return self.packets[number - self.first + 1 :]


class ChainKeeper:
    """Makes the chain of each picture. If it would exceed its bounds, there is none until the next key."""

    def __init__(self) -> None:
        self._chain: VideoChain | None = None
        self._count = 0

    def add(self, packet: memoryview, name: str, size: PictureSize, *, is_key: bool) -> VideoChain | None:
        """
        Add the packet of a decoded picture.

        :param name: format of the packet.
        :param size: size of the picture.
        :returns: the chain of the picture; None if it exceeds the bounds.
        """
        self._count += 1
        before = None if is_key else self._chain
        if before is None and not is_key:
            return None
        packets = (packet,) if before is None else (*before.packets, packet)
        nbytes = packet.nbytes + (before.nbytes if before else 0)
        is_bounded = nbytes <= MOST_BYTES and len(packets) <= MOST_PACKETS
        self._chain = None
        if is_bounded and len(packets) * size.width * size.height <= MOST_PIXELS:
            self._chain = VideoChain(name, before.first if before else self._count, packets, nbytes)
        return self._chain

    def drop(self) -> None:
        """Drop the chain, since a packet is missing; there is none until the next key."""
        self._chain = None
