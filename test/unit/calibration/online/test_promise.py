# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which arms are judged first."""

from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.calibration.online.promise import in_turns, is_no_finer, worth_judging
from neurosurgeon_ros.calibration.pruning import Costs

# fp32, int8, int4 and a huge one after the first layer; the whole network on the device.
COSTS = Costs(
    robot_s=np.array([0.01, 0.011, 0.011, 0.01, 0.1]),
    decode_s=np.array([0.0, 0.001, 0.001, 0.0, 0.0]),
    back_s=np.array([0.09, 0.09, 0.09, 0.09, 0.0]),
    sent_bytes=np.array([100_000.0, 20_000.0, 5_000.0, 400_000.0, 0.0]),
)


def known(*arms: int) -> np.ndarray:
    found = np.zeros(5, dtype=np.bool_)
    found[[*arms, 4]] = True
    return found


def test_the_arm_that_helps_most_comes_first_and_nothing_is_judged_that_helps_nobody() -> None:
    order = worth_judging(COSTS, known(0), 1.0)
    assert order[0] == 2
    assert 3 not in order
    assert not {0, 4} & {*order}


def test_after_the_best_arm_is_known_there_is_less_or_nothing_to_judge() -> None:
    assert worth_judging(COSTS, known(0, 1, 2), 1.0) == []
    without = Costs(*(getattr(COSTS, name)[[0, 1, 3, 4]] for name in ("robot_s", "decode_s", "back_s", "sent_bytes")))
    assert worth_judging(without, np.array([True, False, False, True]), 1.0) == [1]


def test_a_network_that_is_best_on_the_robot_has_nothing_to_judge() -> None:
    tiny = Costs(COSTS.robot_s + 1.0, COSTS.decode_s, COSTS.back_s, COSTS.sent_bytes)
    tiny.robot_s[-1] = 0.001
    assert worth_judging(tiny, known(), 1.0) == []


def test_groups_take_turns() -> None:
    groups = [np.array([0, 1, 9]), np.array([5, 6, 7, 9])]
    assert in_turns([[1, 0], [0, 2, 1]], groups) == [1, 5, 0, 7, 6]
    assert in_turns([], []) == []


@pytest.mark.parametrize(
    ("codec", "than", "expected"),
    [
        ("int4-zstd", "int5-zstd", True),
        ("int4", "int4-zstd", True),
        ("int6-zstd", "int5-zstd", False),
        ("int4c-zstd", "int5-zstd", False),
        ("int4-cal-zstd", "int5-zstd", False),
        ("jpeg75-420", "jpeg90-420", True),
        ("jpeg75-444", "jpeg90-420", False),
        ("camera-jpeg75-420", "jpeg90-420", False),
        ("webp90", "webp95", True),
        ("h264-veryfast-crf24", "h264-veryfast-crf8", True),
        ("h264-veryfast-crf8", "h264-veryfast-crf24", False),
        ("camera-av1-preset10-crf35", "camera-av1-preset10-crf23", True),
        ("int4-delta-d0.75", "int5-delta-d0.75", True),
        ("int4-delta-d0.75", "int5-delta-d0.5", False),
        ("raw", "fp32", False),
    ],
)
def test_coarser_codecs_of_a_family_are_known(codec: str, than: str, expected: bool) -> None:
    assert is_no_finer(codec, than) is expected
