# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorded links for the testbed: rates in Mbit/s for each 100 ms, read from files and cut to the length of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurosurgeon_ros.simulation.link_files import ROW_S, read_link

#: The queue in front of the link holds this many seconds of the link's usual rate, and at least this many bytes: one
#: camera image as JPEG 90 fits. A token bucket of the testbed has the same `latency`.
QUEUE_S, LEAST_QUEUE_BYTES = 0.4, 32_000


class TraceProblem(ValueError):
    """A file is not a recorded link; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Trace:
    """
    A recorded link as a run replays it.

    :param name: the file's name without its extension.
    :param mbps: rates in Mbit/s, each for :data:`ROW_S` seconds; at least 0, and not all 0.
    """

    name: str
    mbps: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """Return the length in seconds."""
        return ROW_S * len(self.mbps)

    @property
    def mean_mbps(self) -> float:
        """Return the mean rate, outages included."""
        return float(np.mean(self.mbps))

    @property
    def usual_mbps(self) -> float:
        """Return the mean of the rates above 0; the link has this rate until the replay begins."""
        return float(np.mean([rate for rate in self.mbps if rate > 0.0]))

    @property
    def down_share(self) -> float:
        """Return the share of rows with a rate of 0, in [0, 1)."""
        return sum(rate == 0.0 for rate in self.mbps) / len(self.mbps)

    @property
    def queue_bytes(self) -> int:
        """Return the size of the queue in front of the link."""
        return max(LEAST_QUEUE_BYTES, round(QUEUE_S * 1e6 * self.usual_mbps / 8.0))


def read_traces(paths: Sequence[Path], seconds: float) -> list[Trace]:
    """
    Read recorded links and cut each to the first `seconds`; a shorter recording is repeated.

    :param paths: CSV files or traces of mahimahi, see :func:`neurosurgeon_ros.simulation.link_files.read_link`.
    :raises TraceProblem: if a file cannot be read or is not a recorded link, the part that is replayed has no rate
        above 0, or two files have the same name.
    """
    traces: dict[str, Trace] = {}
    for path in paths:
        try:
            mbps = read_link(path)
        except OSError as problem:
            raise TraceProblem(f"{path} cannot be read ({problem.strerror}): give a recorded link") from None
        except ValueError as problem:
            raise TraceProblem(str(problem)) from None
        mbps = np.resize(mbps, max(1, round(seconds / ROW_S)))
        if not mbps.any():
            raise TraceProblem(
                f"{path} holds no rate above 0 Mbit/s in its first {seconds:g} s: give a longer --link-seconds"
            )
        if path.stem in traces:
            raise TraceProblem(f"two recorded links have the name {path.stem!r}: give each file its own name")
        traces[path.stem] = Trace(path.stem, tuple(mbps.tolist()))
    return list(traces.values())
