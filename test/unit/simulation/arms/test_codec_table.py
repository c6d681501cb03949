# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Codec tables: the shipped tables, broken files, and the measurement."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.cli.main import main
from neurosurgeon_ros.codecs import get_codec
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.simulation.arms import measure
from neurosurgeon_ros.simulation.arms.codec_files import COLUMNS, codec_table, read_codec_table, write_codec_table
from neurosurgeon_ros.simulation.arms.codec_table import point_of
from neurosurgeon_ros.simulation.table import CODECS_SUFFIX, LAYERS, MACS, network, network_names


@pytest.mark.parametrize("name", network_names())
def test_shipped_tables_belong_to_the_networks_of_the_experiments(name: str) -> None:
    table, fp32 = codec_table(name), network(name)
    assert table.arms[-1] == "on_device" and point_of(table.arms[0]) == "input"
    assert (np.diff(table.point) >= 0).all()
    work = [*MACS, *LAYERS]
    np.testing.assert_allclose(table.features[0, work], fp32.features[0, work], rtol=0.02)
    assert not table.features[-1].any()
    assert (np.diff(table.profile.front_s) >= 0.0).all()
    assert {"input/uint8", "input/uint8-zstd"} <= set(table.arms)


def test_a_network_without_calibration_has_lossless_arms_and_fp16() -> None:
    arms = codec_table("vgg16").arms[:-1]
    codecs = {arm.split("/")[1] for arm in arms}
    assert {"fp32", "fp16", "fp16-zstd", "uint8"} <= codecs
    assert all(get_codec(codec).lossless or codec.startswith("fp16") for codec in codecs)


def test_a_calibrated_network_has_every_codec_and_their_fidelity() -> None:
    table = codec_table("yolov3_tiny")
    assert len(table.arms) > 80
    assert table.fidelity[table.arms.index("input/jpeg98-420")] == pytest.approx(0.9552)
    admitted = table.admitted(0.95)
    assert 10 < len(admitted.arms) < len(table.arms)
    assert "pool4/int4" in table.arms and "pool4/int4" not in admitted.arms
    assert len(table.admitted(0.0).arms) == len(table.arms)


def test_written_tables_are_read_again(tmp_path: Path) -> None:
    table = codec_table("yolov3_tiny")
    write_codec_table(tmp_path / "again.csv", table)
    again = read_codec_table(tmp_path / "again.csv", "yolov3_tiny")
    assert again.arms == table.arms
    np.testing.assert_array_equal(again.point, table.point)
    np.testing.assert_array_equal(again.camera, table.camera)
    np.testing.assert_array_equal(again.features, table.features)
    np.testing.assert_allclose(again.robot_s, table.robot_s)


def test_an_arm_with_memory_is_taken_at_the_nearest_rate_that_is_not_above_the_cameras(tmp_path: Path) -> None:
    write_codec_table(tmp_path / "again.csv", codec_table("yolov3_tiny.fixed"))
    table = read_codec_table(tmp_path / "again.csv", "yolov3_tiny.fixed")
    arm = table.arms.index("pool4/int4-delta-d0.75")
    rates = table.streams["pool4/int4-delta-d0.75"]
    assert [one.rate_hz for one in rates] == pytest.approx([2.0, 5.0, 10.0])
    for hz, one in ((0.0, rates[0]), (1.0, rates[0]), (5.1, rates[1]), (9.0, rates[1]), (30.0, rates[2])):
        at = table.at_rate(hz)
        assert (at.features[arm, -1], at.key_bytes[arm]) == (one.sent_bytes, one.key_bytes)
        assert (at.fidelity[arm], at.low[arm]) == (one.fidelity, one.low)
    assert rates[0].sent_bytes > rates[2].sent_bytes
    plain = table.arms.index("pool4/int4-zstd")
    assert table.key_bytes[plain] == 0.0 and "pool4/int4-zstd" not in table.streams


def test_the_rates_of_an_arm_must_increase(tmp_path: Path) -> None:
    write_codec_table(tmp_path / "net.arms.csv", codec_table("yolov3_tiny.fixed"))
    lines = (tmp_path / "net.arms.csv").read_text().splitlines(keepends=True)
    at = next(line for line, text in enumerate(lines) if text.startswith("pool4/int4-delta-d0.75"))
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    (tmp_path / "net.arms.csv").write_text("".join(lines))
    with pytest.raises(ValueError, match="has pool4/int4-delta-d0.75 3 times, but column hz must increase"):
        read_codec_table(tmp_path / "net.arms.csv", "net")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fidelity": "1.2"}, "fidelity has 1.2, but must be in"),
        ({"encode_s": "-1"}, "line 2, column encode_s is '-1'"),
        ({"low": ""}, "column low is ''"),
        (None, "has no column arm"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, changes: dict[str, str] | None, message: str) -> None:
    path = tmp_path / "net.arms.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS if changes is not None else ("nothing",))
        writer.writeheader()
        if changes is not None:
            row = dict.fromkeys(COLUMNS, "1")
            writer.writerow(row | {"arm": "input/uint8"} | changes)
            writer.writerow(row | {"arm": "on_device"})
    with pytest.raises(ValueError, match=message):
        read_codec_table(path, "net")


def test_the_command_measures_every_arm_whose_fidelity_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def instead(engine: object, arms: Sequence[Arm], *, repeats: int) -> DelayProfile:
        assert repeats == 1
        points, n = 1 + max(arm.point for arm in arms), len(arms)
        return DelayProfile(0.0, 0.001, np.linspace(0.0, 0.1, points), np.full(n, 0.002), np.full(n, 0.003), 0.004)

    monkeypatch.setattr(measure, "measure_delays", instead)
    assert main(["profile", "tiny_yolov2", "--codecs", "--repeats", "1", "--out", str(tmp_path)]) == 0
    table = read_codec_table(tmp_path / f"tiny_yolov2{CODECS_SUFFIX}", "tiny_yolov2")
    shipped = codec_table("tiny_yolov2")
    assert table.arms == shipped.arms
    np.testing.assert_allclose(table.features, shipped.features, rtol=0.02)
    assert table.profile.postprocess_s == pytest.approx(0.004)


def test_unknown_networks_are_named() -> None:
    with pytest.raises(ValueError, match="there is no network 'alexnet'; choose one of resnet50"):
        codec_table("alexnet")
