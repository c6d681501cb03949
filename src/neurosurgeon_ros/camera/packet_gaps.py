# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Find that packets of a camera's video are missing, by the numbers of messages and by time stamps of the encoder."""

from __future__ import annotations


class PublicationGaps:
    """
    Finds messages that were lost on the way, by the numbers that the middleware gives to a publisher's messages.

    Where the middleware gives none, nothing is found.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._has_gap = False

    def count(self, number: int | None) -> None:
        """Record the number of the next message; None: it has none."""
        last, self._last = self._last, number
        self._has_gap |= number is not None and last is not None and number != last + 1

    def take(self) -> bool:
        """Return whether no message was missing since the last call."""
        has_gap, self._has_gap = self._has_gap, False
        return not has_gap


class PtsGaps:
    """
    Finds packets that were lost before they were published, by time stamps of the encoder.

    If all stamps so far were evenly spaced, a stamp that is a multiple of this distance away shows a gap. Stamps from a
    clock are not evenly spaced, and show none. ffmpeg_image_transport numbers its packets 0, 1, 2, …
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._step = 0
        self._is_even = False

    def follows(self, pts: int | None) -> bool:
        """Return whether no packet is missing before the one with this time stamp; None: it has none."""
        last, self._last = self._last, pts
        if pts is None or last is None:
            self._step, self._is_even = 0, False
            return True
        step = pts - last
        if self._is_even and step > self._step and step % self._step == 0:
            return False
        self._is_even = 0 < step == self._step
        self._step = step
        return True
