# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which arms to judge first: those that would make the arm table better if they agreed well enough."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from neurosurgeon_ros.calibration.pruning import NOTICEABLE, Costs
from neurosurgeon_ros.learning.interface import BoolArray, IntArray

_BITS = re.compile(r"^(int|jpeg|camera-jpeg|webp)(\d+)(.*)$")
_CRF = re.compile(r"^(.*-crf)(\d+)$")


def worth_judging(costs: Costs, known: BoolArray, speed: float) -> list[int]:
    """
    Return the arms that are worth judging, the most valuable one first.

    As in :func:`.pruning.worth_having`, the arms should be nearly as good as the best of all arms for every link and
    every edge. Here the best of all arms includes those that are not judged yet, as if they agreed with the whole
    network. Each next arm is the one that brings the chosen arms closest to that.

    :param costs: of n arms, the last of which is `on_device`.
    :param known: whether an arm may be used already; the last one is. Shape (n,).
    :param speed: the robot's speed as a fraction of this machine's speed.
    :returns: indices; empty if the known arms are good enough.
    """
    total_s = costs.totals(speed)
    limit_s = np.min(total_s, axis=0) + NOTICEABLE * costs.robot_s[-1]
    best_s = np.min(total_s[known], axis=0)
    order: list[int] = []
    while np.any(best_s > limit_s):
        lack_s = np.maximum(np.minimum(total_s, best_s) - limit_s, 0.0).sum(axis=1)
        order.append(int(np.argmin(lack_s)))
        best_s = np.minimum(best_s, total_s[order[-1]])
    return order


def in_turns(orders: Sequence[Sequence[int]], groups: Sequence[IntArray]) -> list[int]:
    """
    Merge the orders of several groups of arms, one arm of each in turn.

    :param orders: for each group, positions within it.
    :param groups: for each group, the indices of its arms.
    """
    most = max(map(len, orders), default=0)
    merged = [
        int(group[order[turn]])
        for turn in range(most)
        for order, group in zip(orders, groups, strict=True)
        if turn < len(order)
    ]
    return list(dict.fromkeys(merged))


def is_no_finer(codec: str, than: str) -> bool:
    """
    Return whether a codec loses at least as much as another one of its family, so that it need not be tried after it.

    Codecs of a family differ in one number only. Compression without loss makes no difference.
    """
    (family, quality), (other, other_quality) = _split(codec), _split(than)
    return family == other and quality <= other_quality


def _split(codec: str) -> tuple[str, int]:
    """Return a codec's family, and its quality within the family."""
    crf = _CRF.match(codec)
    if crf:
        return crf[1], -int(crf[2])
    bits = _BITS.match(codec.removesuffix("-zstd"))
    return (f"{bits[1]}#{bits[3]}", int(bits[2])) if bits else (codec, 0)
