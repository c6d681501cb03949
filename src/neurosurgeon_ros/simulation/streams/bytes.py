# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bytes of frames of a stream, by the seconds since the frame that they build on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.calibration.fidelity import StreamFidelity
from neurosurgeon_ros.learning.interface import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class StreamBytes:
    """
    Bytes of the arms whose codec has memory, among n arms.

    A calibration measures frames at some rates, so it knows the bytes at some gaps between a frame and its reference.
    Between two gaps, bytes are interpolated over the logarithm of the gap. Outside of them, they are those of the
    nearest gap.

    :param key_bytes: bytes of a key; 0 for arms whose codec has no memory. Shape (n,).
    :param gaps_s: gaps in seconds, above 0 and ascending. Shape (m,).
    :param later_bytes: bytes of a frame that is no key, at each gap. Shape (n, m).
    :param restarts_s: times at which the edge restarts and loses every reference, in seconds since the start of the
        run, ascending. A restart takes no time.
    """

    key_bytes: FloatArray
    gaps_s: FloatArray
    later_bytes: FloatArray
    restarts_s: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, arms: Sequence[str], key_bytes: FloatArray, streams: Mapping[str, Sequence[StreamFidelity]]
    ) -> StreamBytes:
        """
        Return the bytes of arms that were calibrated.

        :param arms: names of the n arms.
        :param key_bytes: as in this class.
        :param streams: what a calibration knows of each arm with memory, at each rate.
        """
        gaps_s = np.unique([1.0 / one.rate_hz for arm in arms for one in streams.get(arm, ())])
        later_bytes = np.zeros((len(arms), len(gaps_s)))
        for index, arm in enumerate(arms):
            known = sorted(streams.get(arm, ()), key=lambda one: -one.rate_hz)
            if known:
                own_s = np.log([1.0 / one.rate_hz for one in known])
                later_bytes[index] = np.interp(np.log(gaps_s), own_s, [one.sent_bytes for one in known])
        return cls(key_bytes, gaps_s, later_bytes)

    @property
    def arms(self) -> IntArray:
        """Return the indices of the arms whose codec has memory."""
        return np.flatnonzero(self.key_bytes)

    def later(self, arm: int, gap_s: float | FloatArray) -> FloatArray:
        """
        Return the bytes of a frame of an arm that is no key, in the shape of `gap_s`.

        :param gap_s: seconds since the image that its reference shows, above 0.
        """
        return np.asarray(np.interp(np.log(gap_s), np.log(self.gaps_s), self.later_bytes[arm]))

    def session(self, now_s: float | FloatArray) -> IntArray:
        """Return the number of restarts of the edge up to a time, in the shape of `now_s`."""
        return np.asarray(np.searchsorted(np.array(self.restarts_s), now_s, side="right"))
