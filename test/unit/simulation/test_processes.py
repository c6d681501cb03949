# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Processes of links and loads, recorded links, and network tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurosurgeon_ros.simulation.processes import (
    ConstantLink,
    ConstantLoad,
    MarkovLink,
    OrnsteinUhlenbeckLink,
    RecordedLink,
    StepLink,
    StepLoad,
)
from neurosurgeon_ros.simulation.table import COLUMNS, network, network_names, read_table, write_table


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_constant_and_steps() -> None:
    assert ConstantLink(5.0).sample(3, rng()).tolist() == [5.0, 5.0, 5.0]
    assert StepLink(((50.0, 2), (4.0, 1))).sample(5, rng()).tolist() == [50.0, 50.0, 4.0, 4.0, 4.0]
    assert StepLink(((50.0, 2), (4.0, 100))).sample(3, rng()).tolist() == [50.0, 50.0, 4.0]
    assert ConstantLoad(2.0).sample(2, rng())[0].tolist() == [2.0, 2.0]
    assert StepLoad(((1.0, 1), (9.0, 1))).sample(3, rng())[0].tolist() == [1.0, 9.0, 9.0]


def test_markov_link_switches_as_often_as_it_should() -> None:
    rates = MarkovLink(50.0, 4.0, 60.0).sample(60_000, rng())
    assert set(rates) == {50.0, 4.0}
    assert np.count_nonzero(np.diff(rates)) == pytest.approx(1000, rel=0.15)
    assert {MarkovLink(50.0, 4.0, 60.0).sample(1, rng(seed))[0] for seed in range(20)} == {50.0, 4.0}


def test_ornstein_uhlenbeck_link_has_its_moments() -> None:
    logs = np.log(OrnsteinUhlenbeckLink(16.0, 0.5, 50.0).sample(200_000, rng()))
    assert logs.mean() == pytest.approx(np.log(16.0), abs=0.05)
    assert logs.std() == pytest.approx(0.5, rel=0.1)
    lagged = np.corrcoef(logs[:-50], logs[50:])[0, 1]
    assert lagged == pytest.approx(np.exp(-1.0), abs=0.05)


def test_processes_repeat_with_their_seed() -> None:
    link = OrnsteinUhlenbeckLink(16.0, 0.5, 50.0)
    assert np.array_equal(link.sample(50, rng(3)), link.sample(50, rng(3)))
    assert not np.array_equal(link.sample(50, rng(3)), link.sample(50, rng(4)))


def test_recorded_link_repeats(tmp_path: Path) -> None:
    path = tmp_path / "link.csv"
    path.write_text("frame,mbps\n1,10\n2,20.5\n")
    assert RecordedLink.read(path).sample(5, rng()).tolist() == [10.0, 20.5, 10.0, 20.5, 10.0]


def test_recorded_link_may_be_down_for_a_while(tmp_path: Path) -> None:
    path = tmp_path / "link.csv"
    path.write_text("mbps\n10\n0\n0.0\n5\n")
    assert RecordedLink.read(path).sample(5, rng()).tolist() == [10.0, 0.0, 0.0, 5.0, 10.0]


def test_recorded_link_that_is_no_good_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "link.csv"
    path.write_text("mbps\n10\n-3\n")
    with pytest.raises(ValueError, match="line 3, column mbps is '-3'"):
        RecordedLink.read(path)


@pytest.mark.parametrize("name", network_names())
def test_tables_that_ship_make_sense(name: str) -> None:
    table = network(name)
    assert table.points[0] == "input"
    assert table.points[-1] == "on_device"
    assert table.features[-1].tolist() == [0.0] * 7
    assert (np.diff(table.back_macs) <= 0.0).all()
    assert (np.diff(table.front_s) >= 0.0).all()
    assert table.front_s[0] == table.back_s[-1] == 0.0
    assert (table.sent_bytes[:-1] > 0.0).all()


def test_tables_count_what_the_reference_counts() -> None:
    vgg16, tiny = network("vgg16"), network("tiny_yolov2")
    assert vgg16.features[0, :2].tolist() == [15_346_630_656, 123_633_664]
    assert vgg16.features[0, 3:5].tolist() == [13, 3]
    assert tiny.features[0, 0] == 3_537_437_696
    assert tiny.features[0, 3] == 9


def test_table_survives_being_written(tmp_path: Path) -> None:
    path = tmp_path / "net.csv"
    table = network("tiny_yolov2")
    write_table(path, table)
    again = read_table(path, "tiny_yolov2")
    assert again.points == table.points
    np.testing.assert_array_equal(again.features, table.features)
    np.testing.assert_array_equal(again.front_s, table.front_s)
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.csv"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: [line.rpartition(",")[0] for line in lines], "has no column back_s"),
        (lambda lines: lines[:2], "has 1 partition points"),
        (
            lambda lines: [*lines[:2], lines[2].replace(lines[2].split(",")[1], "-1", 1), *lines[3:]],
            "column conv_macs is '-1'",
        ),
        (
            lambda lines: [*lines[:2], lines[2].rpartition(",")[0] + ",nan", *lines[3:]],
            "line 3, column back_s is 'nan'",
        ),
        (lambda lines: [*lines[:2], lines[2].rpartition(",")[0], *lines[3:]], "line 3, column back_s is None"),
    ],
)
def test_table_that_is_no_good_is_refused(tmp_path: Path, change: object, message: str) -> None:
    path = tmp_path / "net.csv"
    write_table(path, network("tiny_yolov2"))
    assert callable(change)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with pytest.raises(ValueError, match=message):
        read_table(path, "net")


def test_columns_start_with_the_point() -> None:
    assert COLUMNS[0] == "point"


def test_unknown_network_names_the_choices() -> None:
    with pytest.raises(ValueError, match="there is no network 'alexnet'; choose one of resnet50, tiny_yolov2"):
        network("alexnet")
