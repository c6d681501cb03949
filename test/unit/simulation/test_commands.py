# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands experiment, profile and replay: the files that they write and the input that they refuse."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from neurosurgeon_ros.cli.main import main
from neurosurgeon_ros.simulation.experiments import EXPERIMENTS
from neurosurgeon_ros.simulation.table import read_table


def files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def test_experiment_without_a_name_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert listed == list(EXPERIMENTS)
    assert {"grid", "change", "hard", "random", "constants", "ablation", "regret", "contention"} < set(listed)


def test_experiments_write_plot_table_and_their_part_of_the_summary(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path), "--jobs", "1", "--seeds", "1"]
    assert main(["experiment", "change", *arguments]) == 0
    assert main(["experiment", "stages", "link_rates", *arguments]) == 0
    assert files(tmp_path) == sorted(
        [f"{name}.{kind}" for name in ("change", "stages", "link_rates") for kind in ("csv", "png")] + ["summary.json"]
    )
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary) == {"change", "stages", "link_rates"}
    ours = [entry for entry in summary["change"] if entry["policy"] == "adaptive_mu_lin_ucb"]
    assert [entry["network"] for entry in ours] == ["vgg16", "tiny_yolov2"]
    assert all(len(entry["ratios"]) == 4 and min(entry["ratios"]) >= 1.0 for entry in ours)
    with (tmp_path / "stages.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["network"] for row in rows} == {"vgg16", "resnet50", "tiny_yolov2", "yolov3_tiny"}
    assert (tmp_path / "stages.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["experiment", "gird"], "there is no experiment 'gird'; choose among stages"),
        (["experiment", "grid", "--seeds", "0"], "'0' is not a whole number from 1"),
        (["experiment", "grid", "--tables", "nowhere"], "there is no table in nowhere"),
        (["experiment", "links", "--links", "nowhere"], "No such file or directory: 'nowhere'"),
        (["profile", "alexnet"], "there is no network 'alexnet'; choose among resnet50"),
        (["replay", "nothing.csv"], "nothing.csv"),
        (["replay", "nothing.csv", "--policies", "best"], "there is no policy 'best'; choose among oracle"),
    ],
)
def test_bad_input_is_one_sentence_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert files(tmp_path) == []


def test_table_with_a_broken_number_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tables, out = tmp_path / "tables", tmp_path / "out"
    tables.mkdir()
    (tables / "vgg16.csv").write_text("point,conv_macs\ninput,1\n")
    assert main(["experiment", "stages", "--tables", str(tables), "--out", str(out)]) == 2
    assert "has no column fc_macs" in capsys.readouterr().err
    assert files(out) == []


def test_links_with_a_broken_rate_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    links, out = tmp_path / "links", tmp_path / "out"
    links.mkdir()
    (links / "good.csv").write_text("mbps\n5\n")
    (links / "lte.csv").write_text("mbps\n5\n-1\n")
    assert main(["experiment", "links", "--links", str(links), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert "lte.csv, line 3, column mbps is '-1'" in error
    assert len(error.splitlines()) == 1
    assert files(out) == []


def test_profile_writes_what_experiments_read(tmp_path: Path) -> None:
    assert main(["profile", "yolov3_tiny", "--repeats", "1", "--out", str(tmp_path / "tables")]) == 0
    table = read_table(tmp_path / "tables" / "yolov3_tiny.csv", "yolov3_tiny")
    assert table.front_s[-1] > 0.0
    out = tmp_path / "out"
    assert main(["experiment", "stages", "--tables", str(tmp_path / "tables"), "--out", str(out)]) == 0
    assert files(out) == ["stages.csv", "stages.png", "summary.json"]


def test_replay_prints_estimates_named_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "decisions.csv"
    header = (
        "arm,partition_point,key_frame,outcome,preprocess_delay,front_end_delay,encode_delay,edge_decode_delay,"
        "edge_compute_delay,edge_postprocess_delay,finish_delay,transmit_delay,edge_queue_delay,total_delay,sent_bytes"
    )
    edge = "input/uint8,0,true,edge,0.004,0,0,0.001,0.03,0.001,,0.05,0,0.09,500000"
    on_device = "on_device,9,false,on_device,0.004,0.18,,,,,0,,,0.19,0"
    path.write_text("\n".join([header, *[edge, on_device] * 40]) + "\n")
    assert main(["replay", str(path), "--policies", "oracle,on_device", "--out", str(tmp_path / "out")]) == 0
    assert "model-based" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["measured_mean_delay_ms"] == pytest.approx(140.0)
    delays = {entry["policy"]: entry["mean_delay_ms"] for entry in summary["policies"]}
    assert delays["oracle"] == pytest.approx(86.0, rel=0.02)
    assert delays["on_device"] == pytest.approx(184.0, rel=0.02)
