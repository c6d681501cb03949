# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The newest annotated picture as JPEG, encoded when a browser is ready for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import cv2
import numpy as np
from numpy.typing import NDArray

#: Quality and maximum width for the page.
JPEG_QUALITY, MAX_WIDTH = 80, 960


class Pictures:
    """
    Streams pictures to browsers. Belongs to an event loop: everything except :meth:`put` must be called there.

    `newest` is the number of the newest picture, `lookers` the number of viewers, and `encoded` the number of encoded
    pictures.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Condition()
        self._picture: NDArray[np.uint8] | None = None
        self._jpeg: tuple[int, asyncio.Task[bytes]] | None = None
        self._closed = False
        self.newest = 0
        self.lookers = 0
        self.encoded = 0

    def put(self, picture: NDArray[np.uint8]) -> None:
        """
        Replace the newest picture, if there are viewers. Safe to call from any thread; does not wait.

        :param picture: BGR, uint8, shape (h, w, 3).
        """
        if self.lookers and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self._take(picture)))

    async def frames(self) -> AsyncGenerator[bytes, None]:
        """
        Yield the newest picture as JPEG, and then a newer one on each request, until :meth:`close`.

        Pictures that arrive in between are skipped.
        """
        self.lookers += 1
        try:
            given = self.newest
            while True:
                async with self._changed:
                    while not self._closed and self.newest == given:
                        await self._changed.wait()
                if self._closed:
                    return
                given = self.newest
                yield await self._encoded()
        finally:
            self.lookers -= 1

    async def close(self) -> None:
        """End every stream of pictures."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    async def _take(self, picture: NDArray[np.uint8]) -> None:
        async with self._changed:
            self._picture = picture
            self.newest += 1
            self._changed.notify_all()

    async def _encoded(self) -> bytes:
        """Encode the newest picture once for all viewers, in another thread: OpenCV lets other threads run."""
        if self._jpeg is None or self._jpeg[0] != self.newest:
            assert self._picture is not None
            self.encoded += 1
            self._jpeg = (self.newest, asyncio.create_task(asyncio.to_thread(_encode, self._picture)))
        return await asyncio.shield(self._jpeg[1])


def _encode(picture: NDArray[np.uint8]) -> bytes:
    height, width = picture.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return encoded.tobytes()
