# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Models of an uplink, which compute when bytes have left it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray

_BITS_PER_BYTE, _MEGA = 8.0, 1e6


class Uplink(Protocol):
    """An uplink without a queue. The caller serves transfers one after another."""

    def end_s(self, frame: int, start_s: float | FloatArray, sent_bytes: float | FloatArray) -> FloatArray:
        """
        Return the time at which bytes have left the uplink, in the broadcast shape of the arguments.

        :param frame: index of the frame of the bytes, from 0.
        :param start_s: time at which the bytes are put on the uplink, in seconds since the start of the run.
        :param sent_bytes: number of bytes, at least 0.
        """


class UplinkByFrame:
    """
    An uplink with one rate per frame, regardless of how long transfers take, as in the judged experiments.

    If the rate of a frame is 0, its transfer waits for the next frame with a rate above 0, and uses that rate.

    :param mbps: rate at each frame in Mbit/s, at least 0 and not all 0, repeated as often as needed. Shape (T,).
    :param period_s: seconds between two frames, used for transfers that wait.
    """

    def __init__(self, mbps: FloatArray, period_s: float) -> None:
        self._bytes_per_s = _bytes_per_s(mbps)
        frames = len(mbps)
        moving = np.flatnonzero(mbps > 0.0)
        following = np.concatenate([moving, moving[:1] + frames])
        self._next = following[np.searchsorted(following, np.arange(frames))]
        self._waited_s = period_s * (self._next - np.arange(frames))

    def end_s(self, frame: int, start_s: float | FloatArray, sent_bytes: float | FloatArray) -> FloatArray:
        """Return the time at which bytes have left the uplink; see :class:`Uplink`."""
        frame %= len(self._next)
        rate = self._bytes_per_s[self._next[frame] % len(self._next)]
        return np.asarray(start_s + self._waited_s[frame] + sent_bytes / rate)


class UplinkByTime:
    """
    An uplink whose rate follows the clock. Bytes leave at the current rate.

    :param mbps: rates in Mbit/s, at least 0 and not all 0, from the start of the run. After the last row, the last rate
        above 0 holds until the end. Shape (rows,).
    :param row_s: seconds for which each rate holds.
    """

    def __init__(self, mbps: FloatArray, row_s: float) -> None:
        rates = _bytes_per_s(mbps)
        self._row_s = row_s
        self._rates = np.append(rates, rates[np.flatnonzero(rates)[-1]])
        self._drained = np.concatenate([[0.0], np.cumsum(rates * row_s)])

    def end_s(self, frame: int, start_s: float | FloatArray, sent_bytes: float | FloatArray) -> FloatArray:
        """Return the time at which bytes have left the uplink; see :class:`Uplink`."""
        del frame
        goal = self._drained_by(start_s) + sent_bytes
        last = np.maximum(np.searchsorted(self._drained, goal, side="left") - 1, 0)
        rate = self._rates[last]
        left_s = np.where(rate > 0.0, (goal - self._drained[last]) / np.where(rate > 0.0, rate, 1.0), 0.0)
        return np.maximum(last * self._row_s + left_s, start_s)

    def mean_bytes_per_s(self, first_s: float, last_s: float) -> float:
        """Return the mean rate in bytes per second between two times, in seconds since the start of the run."""
        return float(self._drained_by(last_s) - self._drained_by(first_s)) / (last_s - first_s)

    def _drained_by(self, when_s: float | FloatArray) -> FloatArray:
        """Return the number of bytes that an uplink without idle time has sent by a time."""
        row = np.minimum(np.asarray(when_s / self._row_s).astype(np.int64), len(self._rates) - 1)
        return np.asarray(self._drained[row] + (when_s - row * self._row_s) * self._rates[row])


def _bytes_per_s(mbps: FloatArray) -> FloatArray:
    """
    Convert rates from Mbit/s to bytes per second.

    :raises ValueError: if a rate is negative or not finite, or no rate is above 0.
    """
    if not (np.isfinite(mbps).all() and (mbps >= 0.0).all() and (mbps > 0.0).any()):
        raise ValueError("an uplink's rates must be finite and at least 0 Mbit/s, and at least one must be above 0")
    rates: FloatArray = mbps * (_MEGA / _BITS_PER_BYTE)
    return rates
