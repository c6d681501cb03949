# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Processes of the link's rate and of the edge's load. A run samples each of them once, for all frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.link_files import read_link


class Link(Protocol):
    """Process of an uplink's rate."""

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Draw the rate at each frame in Mbit/s, shape (frames,), at least 0."""


class Load(Protocol):
    """Process of an edge's load."""

    def sample(self, frames: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Draw a factor on the edge's compute time and the seconds in its queue at each frame, shape (frames,) each."""


@dataclass(frozen=True, slots=True)
class ConstantLink:
    """
    A constant rate.

    :param mbps: rate in Mbit/s.
    """

    mbps: float

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Return the constant rate at each frame; it is not random."""
        del rng
        return np.full(frames, self.mbps)


@dataclass(frozen=True, slots=True)
class StepLink:
    """
    A sequence of rates; the last one holds until the end.

    :param steps: pairs of a rate in Mbit/s and the number of frames for which it holds.
    """

    steps: tuple[tuple[float, int], ...]

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Return the rate at each frame; it is not random."""
        del rng
        return _steps(self.steps, frames)


@dataclass(frozen=True, slots=True)
class MarkovLink:
    """
    Two rates. The initial rate is random, and the link may switch to the other rate at each frame.

    :param high_mbps: one rate in Mbit/s.
    :param low_mbps: the other rate in Mbit/s.
    :param mean_frames: mean number of frames between two switches, > 1.
    """

    high_mbps: float
    low_mbps: float
    mean_frames: float

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Draw the initial rate and the switches."""
        switches = rng.random(frames) < 1.0 / self.mean_frames
        switches[0] = rng.random() < 0.5
        low = np.cumsum(switches) % 2 == 1
        return np.where(low, self.low_mbps, self.high_mbps)


@dataclass(frozen=True, slots=True)
class OrnsteinUhlenbeckLink:
    """
    A rate whose logarithm is an Ornstein-Uhlenbeck process.

    :param mbps: median of the rate in Mbit/s.
    :param sd: standard deviation of its natural logarithm.
    :param correlation_frames: number of frames after which the correlation has fallen to 1/e.
    """

    mbps: float
    sd: float
    correlation_frames: float

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Draw a path that starts from the stationary distribution."""
        path: FloatArray = self.mbps * np.exp(self.sd * wander(rng.standard_normal(frames), self.correlation_frames))
        return path


@dataclass(frozen=True, slots=True, eq=False)
class RecordedLink:
    """
    A recorded rate with one row for each frame, or for each `row_s` of a scenario. It is repeated as often as needed.

    :param mbps: rates in Mbit/s, at least 0 and not all 0; 0 is an outage.
    """

    mbps: FloatArray

    @classmethod
    def read(cls, path: Path) -> RecordedLink:
        """
        Read a file; see :func:`neurosurgeon_ros.simulation.link_files.read_link`.

        :raises ValueError: if the file is not a recorded link.
        :raises OSError: if the file cannot be read.
        """
        return cls(read_link(path))

    def sample(self, frames: int, rng: np.random.Generator) -> FloatArray:
        """Return the recorded rates; they are not random."""
        del rng
        return np.resize(self.mbps, frames)


@dataclass(frozen=True, slots=True)
class ConstantLoad:
    """
    A constant load.

    :param factor: factor on the edge's compute time, 1 for an idle edge.
    """

    factor: float = 1.0

    def sample(self, frames: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return the constant load at each frame; it is not random."""
        del rng
        return np.full(frames, self.factor), np.zeros(frames)


@dataclass(frozen=True, slots=True)
class StepLoad:
    """
    A sequence of loads; the last one holds until the end.

    :param steps: pairs of a factor on the edge's compute time and the number of frames for which it holds.
    """

    steps: tuple[tuple[float, int], ...]

    def sample(self, frames: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return the load at each frame; it is not random."""
        del rng
        return _steps(self.steps, frames), np.zeros(frames)


def wander(shocks: FloatArray, correlation_frames: float) -> FloatArray:
    """
    Return a first-order autoregression of mean 0 and standard deviation 1 that starts in its stationary distribution.

    :param shocks: standard normal values, shape (frames,).
    :param correlation_frames: number of frames after which the correlation has fallen to 1/e.
    """
    keep = math.exp(-1.0 / correlation_frames)
    path = np.empty(len(shocks))
    path[0] = shocks[0]
    for k in range(1, len(shocks)):
        path[k] = keep * path[k - 1] + math.sqrt(1.0 - keep**2) * shocks[k]
    return path


def _steps(steps: tuple[tuple[float, int], ...], frames: int) -> FloatArray:
    values = np.repeat([value for value, _ in steps], [length for _, length in steps]).astype(np.float64)
    padded: FloatArray = np.pad(values, (0, max(0, frames - len(values))), mode="edge")[:frames]
    return padded
