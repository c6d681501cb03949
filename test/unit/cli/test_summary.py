# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The values in summary.json and the table in decisions.csv."""

from __future__ import annotations

import csv
import json
import math
from collections import Counter
from pathlib import Path

import pytest

from neurosurgeon_ros.cli.demo.summary import (
    Setting,
    in_words,
    prediction_error,
    summarise,
    write_decisions,
    write_summary,
)

from .seen import decision, header, on_device

SETTING = Setting(
    rmw="rmw_fastrtps_cpp",
    policy="mu_lin_ucb",
    model="yolov3_tiny",
    link="emulated 50 Mbit/s",
    robot_speed=0.2,
    partition_points=5,
    frames_wanted=4,
    seed=0,
)


def test_figures_of_a_run() -> None:
    run = [
        on_device(1, key_frame=True),
        decision(2, forced=True),
        decision(3, outcome="fallback", total_delay=0.4),
        decision(4, frames_received=9, frames_dropped=4, frames_rejected=1),
    ]

    summary = summarise(SETTING, run, published=4, matched=3, objects=Counter(person=5, car=6))

    assert summary["frames_received"] == 9
    assert summary["frames_accepted"] == summary["detections_published"] == 4
    assert (summary["frames_dropped_busy"], summary["frames_rejected"], summary["detections_matched"]) == (4, 1, 3)
    assert summary["outcomes"] == {"edge": 2, "on_device": 1, "fallback": 1}
    assert (summary["key_frames"], summary["forced_samples"], summary["partition_points"]) == (1, 1, 5)
    assert summary["chosen"] == {"pool4/fp32": 3, "on_device": 1}
    assert summary["chosen_last_half"] == {"pool4/fp32": 2}
    assert summary["delay_ms"] == {"mean": 200.0, "p50": 150.0, "p95": pytest.approx(370.0)}
    assert summary["objects"] == {"car": 6, "person": 5}
    assert summary["prediction_error"] is None
    assert (summary["link"], summary["robot_speed"]) == ("emulated 50 Mbit/s", 0.2)


def test_a_robot_that_was_started_again_counts_anew() -> None:
    run = [decision(1), decision(2), decision(1, session=8)]

    summary = summarise(SETTING, run, published=3, matched=3, objects=Counter())

    assert (summary["frames_accepted"], summary["frames_received"]) == (3, 6)


def test_an_empty_run_has_a_summary(tmp_path: Path) -> None:
    summary = summarise(SETTING, [], published=0, matched=0, objects=Counter())
    write_summary(summary, tmp_path / "summary.json")

    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert summary["frames_accepted"] == 0
    assert summary["delay_ms"] == {"mean": None, "p50": None, "p95": None}
    assert in_words(summary)


def test_prediction_error_is_the_mean_over_what_the_edge_answered() -> None:
    right = [decision(n) for n in range(1, 16)]
    half_too_high = [decision(n, predicted_offload_delay=0.105) for n in range(16, 31)]
    not_counted = [
        on_device(31),
        decision(32, outcome="fallback", predicted_offload_delay=9.0),
        decision(33, predicted_offload_delay=math.nan),
    ]

    assert prediction_error([*right, *half_too_high, *not_counted]) == pytest.approx(0.25)
    assert prediction_error([*right, *half_too_high[:-1], *not_counted]) is None


def test_words_say_what_was_emulated() -> None:
    run = [decision(1)]
    emulated = dict(in_words(summarise(SETTING, run, published=1, matched=1, objects=Counter())))
    plain_setting = Setting("rmw", "p", "m", "loopback", 1.0, None, 1, 0)
    plain = dict(in_words(summarise(plain_setting, run, published=1, matched=1, objects=Counter())))

    assert "emulated" in emulated["robot"]
    assert "emulated, 50 Mbit/s" in emulated["link"]
    assert "emulated" not in plain["robot"] + plain["link"]


def test_decisions_have_a_row_each_with_every_field(tmp_path: Path) -> None:
    write_decisions([decision(1, key_frame=True), on_device(2, reason="no edge, yet")], tmp_path / "decisions.csv")

    with (tmp_path / "decisions.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert int(first["stamp_ns"]) == header(1).stamp_ns
    assert (first["arm"], first["key_frame"], float(first["transmit_delay"])) == ("pool4/fp32", "1", 0.05)
    assert (second["offload_delay"], second["reason"], second["outcome"]) == ("", "no edge, yet", "on_device")
