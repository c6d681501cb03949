# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Agreement between two results of a network: detections, classes, and raw outputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.models import Detections

#: Boxes of one class that overlap by at least this count as one object.
MATCHING_IOU = 0.5

#: Minimum score that counts.
LEAST_SCORE = 0.3

#: Number of resamples of a bootstrap.
RESAMPLES = 1000

#: Share of the bootstrap's distribution that lies within its interval.
INTERVAL = 0.9


@dataclass(frozen=True, slots=True)
class Matches:
    """
    Number of objects that two results of one image have in common.

    :param both: found by both.
    :param one: found by the first.
    :param other: found by the second.
    """

    both: int
    one: int
    other: int


def match_detections(one: Detections, other: Detections) -> Matches:
    """
    Match boxes of the same class in order of decreasing overlap, each box at most once.

    Scores below :data:`LEAST_SCORE` are ignored.
    """
    kept_one, kept_other = one.scores >= LEAST_SCORE, other.scores >= LEAST_SCORE
    overlap = overlaps(one.boxes[kept_one], other.boxes[kept_other])
    overlap[one.classes[kept_one][:, None] != other.classes[kept_other][None, :]] = 0.0
    both = 0
    while overlap.size and overlap.max() >= MATCHING_IOU:
        row, column = np.unravel_index(int(np.argmax(overlap)), overlap.shape)
        overlap[row, :] = overlap[:, column] = 0.0
        both += 1
    return Matches(both, int(kept_one.sum()), int(kept_other.sum()))


def match_top_1(one: Detections, other: Detections) -> Matches:
    """Compare the best classes of two classifications."""
    same = len(one) > 0 and len(other) > 0 and int(one.classes[0]) == int(other.classes[0])
    return Matches(int(same), 1, 1)


def f1(matches: Sequence[Matches]) -> float:
    """
    Return the F1 of several images: the objects that both found, relative to the mean number that each found.

    F1 is 1 if neither found anything.

    For top-1 matches F1 is the share of images on which both agree.
    """
    found = sum(match.one + match.other for match in matches)
    return 2.0 * sum(match.both for match in matches) / found if found else 1.0


def bootstrap(streams: Sequence[Sequence[Matches]], *, seed: int = 0) -> tuple[float, float]:
    """
    Return the lower and upper end of the 90 % interval of :func:`f1`.

    Streams are drawn with replacement, and parts of each stream likewise. What a stream began with may make all of it
    good or bad, so its parts alone would give too narrow an interval.

    :param streams: matches of each part of each stream; single images are one stream. None may be empty.
    """
    counts = [np.array([(part.both, part.one + part.other) for part in stream], dtype=np.float64) for stream in streams]
    generator = np.random.default_rng(seed)
    if len(counts) == 1:
        totals = counts[0][generator.integers(0, len(counts[0]), (RESAMPLES, len(counts[0])))].sum(axis=1)
    else:
        totals = np.zeros((RESAMPLES, 2))
        for total, drawn in zip(totals, generator.integers(0, len(counts), (RESAMPLES, len(counts))), strict=True):
            for parts in (counts[stream] for stream in drawn):
                total += parts[generator.integers(0, len(parts), len(parts))].sum(axis=0)
    both, found = totals.T
    values = np.divide(2.0 * both, found, out=np.ones_like(both), where=found > 0.0)
    low, high = np.quantile(values, [(1.0 - INTERVAL) / 2.0, (1.0 + INTERVAL) / 2.0])
    return float(low), float(high)


def total(matches: Iterable[Matches]) -> Matches:
    """Return the matches of several images as those of one."""
    both = one = other = 0
    for match in matches:
        both, one, other = both + match.both, one + match.one, other + match.other
    return Matches(both, one, other)


def overlaps(one: FloatArray, other: FloatArray) -> FloatArray:
    """
    Return the intersection over union of every pair of boxes.

    :param one: centre x, centre y, width, height. Shape (k, 4).
    :param other: the same. Shape (l, 4).
    :returns: in [0, 1], shape (k, l).
    """
    low_one, high_one = one[:, None, :2] - one[:, None, 2:] / 2, one[:, None, :2] + one[:, None, 2:] / 2
    low_other, high_other = other[None, :, :2] - other[None, :, 2:] / 2, other[None, :, :2] + other[None, :, 2:] / 2
    sides = np.clip(np.minimum(high_one, high_other) - np.maximum(low_one, low_other), 0.0, None)
    common = sides.prod(axis=2)
    union = one[:, None, 2:].prod(axis=2) + other[None, :, 2:].prod(axis=2) - common
    result: FloatArray = np.divide(common, union, out=np.zeros_like(common), where=union > 0.0)
    return result


def largest_difference(one: Any, other: Any) -> float:
    """
    Return the largest difference between two raw outputs: 0 only if they have the same structure and the same bits.

    :returns: infinity if structure, shape or element type differ, or if one has NaN where the other does not.
    """
    if isinstance(one, torch.Tensor):
        if not isinstance(other, torch.Tensor) or one.dtype != other.dtype or one.shape != other.shape:
            return math.inf
        return _tensor_difference(one, other)
    if isinstance(one, dict):
        if not isinstance(other, dict) or one.keys() != other.keys():
            return math.inf
        return max((largest_difference(one[key], other[key]) for key in one), default=0.0)
    if isinstance(one, list | tuple):
        if type(one) is not type(other) or len(one) != len(other):
            return math.inf
        return max((largest_difference(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    return 0.0 if one == other else math.inf


def _tensor_difference(one: torch.Tensor, other: torch.Tensor) -> float:
    plain_one, plain_other = one.detach().cpu().contiguous(), other.detach().cpu().contiguous()
    if plain_one.numel() == 0 or plain_one.flatten().view(torch.uint8).equal(plain_other.flatten().view(torch.uint8)):
        return 0.0
    difference = (plain_one.double() - plain_other.double()).abs()
    difference[plain_one == plain_other] = 0.0  # equal infinities
    largest = float(difference.max())
    # Equal values with different bits, such as -0.0 and 0.0, also count as a difference.
    return math.inf if math.isnan(largest) else max(largest, math.ulp(0.0))
