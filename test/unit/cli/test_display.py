# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The run as shown in the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from neurosurgeon_ros.cli.demo.display import LiveDisplay, PlainDisplay, RunningMean
from neurosurgeon_ros.cli.demo.matching import Frame

from .seen import decision, detections, on_device


def test_a_row_splits_the_delay_and_keeps_the_mean() -> None:
    mean = RunningMean()
    first = mean.row(Frame(decision(1), detections(1, "car", "car", "person"), None))
    second = mean.row(Frame(on_device(2), detections(2), None))

    assert (first.front_ms, first.offload_ms, first.total_ms) == pytest.approx((30.0, 70.0, 100.0))
    assert first.objects == "2 car, person"
    assert second.front_ms == pytest.approx(200.0)
    assert second.mean_ms == pytest.approx(150.0)


def test_the_live_table_shows_the_last_frames() -> None:
    out = io.StringIO()
    display = LiveDisplay(40, "a run", Console(file=out, width=140, force_terminal=True, color_system=None))
    mean = RunningMean()
    for number in range(1, 31):
        display.show(
            mean.row(Frame((on_device if number == 30 else decision)(number), detections(number, "dog"), None))
        )
    display.say("[bold]is no markup here")
    display.close()

    shown = out.getvalue()
    assert "30 of 40 frames" in shown
    assert "pool4/fp32" in shown
    assert "on_device" in shown
    assert "[bold]is no markup here" in shown


def test_plain_lines_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(100)
    mean = RunningMean()
    for number in range(1, 101):
        display.show(mean.row(Frame(decision(number), detections(number), None)))
    display.close()

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("frame 1/100  pool4/fp32")
    assert len(lines) < 100
