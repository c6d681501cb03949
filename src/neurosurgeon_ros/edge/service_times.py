# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How long requests take at an edge."""

from __future__ import annotations

from neurosurgeon_ros.protocol.requests import Request

#: Weight of the newest value in a running mean.
NEWEST = 0.2


class ServiceTimes:
    """Running means of the seconds that requests take, per network, partition point and batch size."""

    def __init__(self) -> None:
        self._means_s: dict[tuple[str, int, int], float] = {}

    def expected_s(self, request: Request, size: int = 1) -> float:
        """
        Return the seconds that a request, or a batch of such requests, will take; 0 until a similar one was answered.

        Until a batch of this size was answered, it is expected to take as long as its requests one after another.
        """
        means_s, key = self._means_s, (request.fingerprint, request.partition_point)
        return means_s.get((*key, size), size * means_s.get((*key, 1), 0.0))

    def took(self, request: Request, seconds: float, size: int = 1) -> None:
        """Record the seconds that a request, or a batch of such requests, took from decoding to post-processing."""
        key = (request.fingerprint, request.partition_point, size)
        mean_s = self._means_s.get(key, seconds)
        self._means_s[key] = mean_s + NEWEST * (seconds - mean_s)
