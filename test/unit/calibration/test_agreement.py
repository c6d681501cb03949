# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from neurosurgeon_ros.calibration.agreement import (
    Matches,
    bootstrap,
    f1,
    largest_difference,
    match_detections,
    match_top_1,
    overlaps,
    total,
)
from neurosurgeon_ros.models import Detections


def found(*boxes: tuple[float, float, float, float, float, int]) -> Detections:
    rows = np.array(boxes, dtype=np.float64).reshape(-1, 6)
    return Detections(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64))


def test_overlaps_by_hand() -> None:
    one = np.array([[5.0, 5.0, 10.0, 10.0]])
    other = np.array([[5.0, 5.0, 10.0, 10.0], [10.0, 5.0, 10.0, 10.0], [50.0, 50.0, 4.0, 4.0], [5.0, 5.0, 0.0, 0.0]])
    assert overlaps(one, other) == pytest.approx(np.array([[1.0, 1.0 / 3.0, 0.0, 0.0]]))


def test_boxes_match_once_and_only_within_their_class() -> None:
    whole = found((5, 5, 10, 10, 0.9, 0), (30, 30, 10, 10, 0.8, 1))
    assert match_detections(whole, whole) == Matches(2, 2, 2)
    # Two boxes over one object: one of them matches.
    assert match_detections(whole, found((5, 5, 10, 10, 0.9, 0), (5, 6, 10, 10, 0.7, 0))) == Matches(1, 2, 2)
    assert match_detections(whole, found((5, 5, 10, 10, 0.9, 1))) == Matches(0, 2, 1)
    assert match_detections(whole, found((12, 5, 10, 10, 0.9, 0))) == Matches(0, 2, 1)
    assert match_detections(whole, found((5, 5, 10, 10, 0.29, 0))) == Matches(0, 2, 0)
    assert match_detections(found(), found()) == Matches(0, 0, 0)


def test_the_pair_that_overlaps_most_matches_first() -> None:
    # In order of the list, the first box would take the second one's partner.
    one = found((0, 0, 10, 10, 0.9, 0), (3, 0, 10, 10, 0.8, 0))
    other = found((3, 0, 10, 10, 0.9, 0), (-3, 0, 10, 10, 0.8, 0))
    assert match_detections(one, other).both == 2


def test_f1_by_hand() -> None:
    assert f1([Matches(1, 2, 1), Matches(1, 1, 2)]) == pytest.approx(2 * 2 / 6)
    assert f1([Matches(0, 0, 0)]) == 1.0
    assert f1([Matches(0, 3, 0)]) == 0.0


def test_top_1_counts_images_on_which_the_best_class_is_the_same() -> None:
    cat, dog = found((0, 0, 1, 1, 0.5, 3), (0, 0, 1, 1, 0.2, 4)), found((0, 0, 1, 1, 0.5, 4))
    assert f1([match_top_1(cat, cat), match_top_1(cat, dog), match_top_1(cat, found())]) == pytest.approx(1 / 3)


def test_the_interval_covers_the_value_and_shrinks_with_the_images() -> None:
    images = [Matches(9, 10, 10), Matches(10, 10, 10), Matches(7, 10, 10)]
    low, high = bootstrap([images])
    assert 0.7 <= low < f1(images) < high <= 1.0
    more = bootstrap([images * 20])
    assert more[1] - more[0] < high - low
    assert bootstrap([images]) == (low, high)
    assert bootstrap([[Matches(5, 5, 5)] * 3]) == (1.0, 1.0)
    assert bootstrap([[Matches(0, 0, 0)] * 3]) == (1.0, 1.0)


def test_the_largest_difference_goes_through_every_structure() -> None:
    one = {"a": (torch.tensor([1.0, 2.0]), [torch.tensor([3])]), "b": "same"}
    assert largest_difference(one, one) == 0.0
    other = {"a": (torch.tensor([1.0, 2.5]), [torch.tensor([1])]), "b": "same"}
    assert largest_difference(one, other) == 2.0
    for wrong in ({"a": one["a"]}, {**one, "b": "other"}, {**one, "a": list(one["a"])}, {**one, "a": (one["a"][0],)}):
        assert largest_difference(one, wrong) == math.inf
    assert largest_difference(torch.zeros(2), torch.zeros(3)) == math.inf
    assert largest_difference(torch.zeros(2), torch.zeros(2, dtype=torch.float64)) == math.inf


def test_a_single_bit_is_a_difference_and_equal_nans_are_none() -> None:
    assert largest_difference(torch.tensor([0.0]), torch.tensor([-0.0])) > 0.0
    nan, infinite = torch.tensor([math.nan]), torch.tensor([math.inf, 1.0])
    assert largest_difference(nan, nan) == 0.0
    assert largest_difference(nan, torch.tensor([0.0])) == math.inf
    assert largest_difference(infinite, torch.tensor([math.inf, 2.0])) == 1.0
    assert largest_difference(torch.zeros(0), torch.zeros(0)) == 0.0


def test_a_bad_key_widens_the_interval_even_if_its_stream_is_bad_throughout() -> None:
    good, bad = [Matches(9, 10, 10)] * 10, [Matches(5, 10, 10)] * 10
    assert bootstrap([good] * 4) == pytest.approx((0.9, 0.9))
    # The mean of these streams is 0.8, and no part differs from the others of its stream.
    assert bootstrap([good, good, good, bad])[0] < 0.75
    assert bootstrap([[Matches(0, 0, 0)]]) == (1.0, 1.0)


def test_the_matches_of_several_images_are_summed() -> None:
    assert total([Matches(1, 2, 3), Matches(4, 5, 6)]) == Matches(5, 7, 9)
    assert total([]) == Matches(0, 0, 0)
