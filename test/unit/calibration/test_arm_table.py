# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from robots import small_engine, small_model

from neurosurgeon_ros.calibration.arm_table import PSI, build_arm_table
from neurosurgeon_ros.calibration.delay_profile import DelayProfile, measure_delays
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import FEATURES


def invented(
    engine: Engine, arms: Sequence[Arm], *, slow_codecs: dict[str, float] | None = None, input_s: float = 0.0
) -> DelayProfile:
    """Return invented values instead of measurements."""
    coded = np.array([float(bool(arm.codec)) for arm in arms])
    slow = np.array([input_s * (arm.point == 0) + (slow_codecs or {}).get(arm.codec, 0.0) for arm in arms])
    front_s = 0.02 * np.arange(len(engine.partitioned.points))
    return DelayProfile(0.003, 0.01, front_s, 0.001 * coded + slow, 0.002 * coded, 0.005)


def test_the_table_holds_every_arm_in_the_order_of_p() -> None:
    table = build_arm_table(small_engine(), ("fp32", "uint8"), measure=invented, keep_all=True)
    names = [arm.name for arm in table.arms]
    assert names[0] == "input/uint8"
    assert names[-1] == "on_device"
    assert set(names[1:-1]) == {"pool1/fp32", "conv2/fp32"}
    assert list(table.point) == sorted(table.point)
    assert table.on_device == len(names) - 1
    assert table.index("pool1/fp32") == names.index("pool1/fp32")
    with pytest.raises(ValueError, match="choose one of input/uint8"):
        table.index("pool9/fp32")


def test_the_robots_seconds_add_up() -> None:
    table = build_arm_table(small_engine(), ("fp32", "uint8"), measure=invented, keep_all=True)
    for index, arm in enumerate(table.arms[:-1]):
        assert table.robot_s[index] == pytest.approx(0.01 + 0.02 * arm.point + 0.001)
        assert table.decode_s[index] == pytest.approx(0.002)
    assert table.robot_s[-1] == pytest.approx(0.01 + 0.02 * table.arms[-1].point + 0.005)
    assert table.decode_s[-1] == 0.0


def test_a_slower_robot_takes_longer_on_its_own_stages_only() -> None:
    full = build_arm_table(small_engine(), ("fp32", "uint8"), measure=invented, keep_all=True)
    slow = build_arm_table(small_engine(), ("fp32", "uint8"), measure=invented, speed=0.2, keep_all=True)
    assert slow.robot_s == pytest.approx(5 * full.robot_s)
    assert np.array_equal(slow.decode_s, full.decode_s)
    assert np.array_equal(slow.profile.encode_s, full.profile.encode_s)


def test_psi_is_what_travels_with_the_codec() -> None:
    table = build_arm_table(small_engine(), ("fp32", "uint8"), measure=invented, keep_all=True)
    assert table.features.shape == (len(table.arms), len(FEATURES))
    assert table.features[table.index("input/uint8"), PSI] == 3 * 32 * 32
    assert table.features[table.index("pool1/fp32"), PSI] == 4 * 8 * 8 * 8
    assert not table.features[table.on_device].any()


def test_arms_that_are_nowhere_better_are_left_out() -> None:
    # conv1 carries ten times the bytes of the input, and takes the robot longer.
    table = build_arm_table(Engine(small_model(), keep_all=True), ("fp32", "uint8"), measure=invented)
    left_out = [arm.name for arm in table.left_out]
    assert "conv1/fp32" in left_out
    assert not set(left_out) & {arm.name for arm in table.arms}


def test_its_arrays_cannot_be_written_to() -> None:
    table = build_arm_table(small_engine(), ("fp32", "uint8"), measure=invented, keep_all=True)
    for name in ("robot_s", "features", "decode_s", "point", "fidelity", "allowed"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(table, name)[0] = 0


def test_it_is_measured_with_the_threads_that_frames_run_with() -> None:
    before = torch.get_num_threads()
    threads: list[int] = []

    def measure(engine: Engine, arms: Sequence[Arm]) -> DelayProfile:
        threads.append(torch.get_num_threads())
        return invented(engine, arms)

    build_arm_table(small_engine(), ("uint8",), threads=before + 1, measure=measure)
    assert threads == [before + 1]
    assert torch.get_num_threads() == before


def test_an_unknown_codec_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"'fp31' is not known; choose one of .*fp32"):
        build_arm_table(small_engine(), ("fp31",))


def test_a_real_calibration_has_a_figure_for_every_step() -> None:
    engine = small_engine()
    arms = engine.arms(("fp32", "uint8"))
    measured = measure_delays(engine, arms, repeats=1)
    assert measured.front_s[0] == 0.0 and np.all(np.diff(measured.front_s) >= 0.0)
    assert np.all(measured.encode_s[:-1] > 0.0) and np.all(measured.decode_s[:-1] > 0.0)
    assert measured.encode_s[-1] == measured.decode_s[-1] == 0.0
    assert measured.preprocess_s > 0.0 and measured.postprocess_s > 0.0
