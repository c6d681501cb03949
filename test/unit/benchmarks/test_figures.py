# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
import math

import numpy as np
import pytest
from testbed.accuracy import QUALITIES, Reference, lowest_quality
from testbed.aims import aims
from testbed.delays import frame_delays, percentiles_ms
from testbed.machine import share_out
from testbed.main import in_reach
from testbed.report import page, table
from testbed.run import Seen
from testbed.scenario import changing, constant
from testbed.summary import Row, make_row, make_summary, ratios
from testbed.systems import JPEG_80, OURS, WITHOUT_MEMORY, System, at_fidelity, systems

from neurosurgeon_ros.models import Detections


def row(name, mean, *, scenario=16.0, f1=1.0):
    return Row(name, scenario, {"mean": mean, "p50": mean, "p95": mean, "p99": mean}, 4.0, 1e4, 0.1, 0.1, f1, 60, 60)


def test_an_answered_frame_counts_from_its_stamp_to_its_detections():
    assert frame_delays([0.0, 1.0], [0.25, 1.5], end_s=9.0) == [0.25, 0.5]


def test_a_dropped_frame_counts_one_period_plus_the_next_answer():
    period, answer = 0.25, 0.1
    sent = [0.0, period, 2 * period, 3 * period]
    delays = frame_delays(sent, [answer, None, None, 3 * period + answer], end_s=9.0)
    assert delays == pytest.approx([answer, 2 * period + answer, period + answer, answer])


def test_frames_that_nothing_came_after_count_to_the_end_of_the_run():
    assert frame_delays([0.0, 1.0, 2.0], [0.5, None, None], end_s=6.0) == [0.5, 5.0, 4.0]


def test_an_answer_that_is_overtaken_counts_when_it_comes():
    assert frame_delays([0.0, 1.0], [3.0, 1.5], end_s=9.0) == [3.0, 0.5]


def test_percentiles_are_in_milliseconds():
    found = percentiles_ms([0.001 * value for value in range(1, 101)])
    assert found == {"mean": 50.5, "p50": 50.5, "p95": 95.05, "p99": 99.01}


def test_of_no_frame_there_is_no_delay():
    assert all(math.isnan(value) for value in percentiles_ms([]).values())


def test_the_ratio_is_taken_to_the_best_alternative_that_agrees_well_enough():
    rows = [row(OURS, 90.0), row("slow", 120.0), row("quick_but_wrong", 30.0, f1=0.94), row("not_listed", 10.0)]
    assert ratios(rows, ["slow", "quick_but_wrong"])["ratio_to_best"] == {"16": 0.75}


def test_an_alternative_that_was_judged_to_agree_counts_whatever_a_run_gave():
    rows = [row(OURS, 90.0), row("slow", 120.0), row("jpeg_90", 100.0, f1=0.949)]
    assert ratios(rows, ["slow", "jpeg_90"], ["jpeg_90"])["ratio_to_best"] == {"16": 0.9}


def test_each_scenario_has_its_ratio():
    rows = [row(OURS, 50.0), row("other", 100.0), row(OURS, 30.0, scenario="changing")]
    rows.append(row("other", 60.0, scenario="changing"))
    assert ratios(rows, ["other"])["ratio_to_best"] == {"16": 0.5, "changing": 0.5}


def test_against_jpeg_80_this_package_may_agree_as_little():
    lowered = at_fidelity(0.936)
    assert (lowered.name, lowered.min_fidelity) == ("default_f0.93", 0.93)
    rows = [row(OURS, 90.0), row(lowered.name, 60.0, f1=0.94), row(JPEG_80, 80.0, f1=0.936)]
    assert ratios(rows, [JPEG_80])["ratio_at_equal_f1"] == {"16": 0.75}
    rows[2] = row(JPEG_80, 80.0, f1=0.97)
    assert ratios(rows, [JPEG_80])["ratio_at_equal_f1"] == {"16": 1.125}


def test_what_memory_gains_is_measured_in_the_same_run():
    rows = [row(OURS, 60.0), row(WITHOUT_MEMORY, 120.0), row(OURS, 30.0, scenario="changing")]
    assert ratios(rows, [])["ratio_without_memory"] == {"16": 0.5}


def test_rounds_are_put_together_frame_by_frame():
    frames = [{"video_frame": 0, "sent_s": 0.0, "answered_s": 0.1}, {"video_frame": 1, "sent_s": 1.0}]
    decision = {"arm": "input/jpeg", "total_delay": 0.1, "finish_delay": math.nan}
    one = Seen([0.1, 0.3], frames, [decision], seconds=2.0, wire_bytes=2000, robot_cpu_s=0.2, edge_cpu_s=0.4)
    made = make_row(System("some"), "4", [one, one], lambda frames: len(frames) / 4)
    assert (made.frames, made.answered, made.f1) == (4, 2, 1.0)
    assert (made.fps, made.wire_bytes_per_frame) == (0.5, 1000.0)
    assert (made.robot_cpu_s_per_frame, made.edge_cpu_s_per_frame) == (0.1, 0.2)
    assert made.delay_ms["mean"] == 200.0
    assert made.rounds_ms == [200.0, 200.0]
    assert (made.stages_ms, made.arms) == ({"total": 100.0}, {"input/jpeg": 2})


def test_what_is_far_behind_runs_no_further_rounds_but_the_default_does():
    running = [System(name) for name in (OURS, "near", "far")]
    assert in_reach(running, {OURS: 0.05, "near": 0.09, "far": 0.11}) == running[:2]
    assert in_reach(running, {OURS: 0.5, "near": 0.05, "far": 0.04}) == running


def test_the_summary_has_what_was_agreed():
    rows = [row(OURS, 50.0), row(JPEG_80, 100.0)]
    summary = make_summary(rows, systems(80), {"machine": "2 cores"}, {"score": 1.0})
    assert {"system", "ratio_to_best", "ratio_at_equal_f1", "micro"} <= summary.keys()
    wanted = {"name", "uplink_mbps", "delay_ms", "fps", "wire_bytes_per_frame", "robot_cpu_s_per_frame", "f1"}
    assert all(wanted <= one.keys() for one in summary["system"])
    assert summary["micro"] == {"score": 1.0}


def test_the_lowest_quality_is_found_by_bisection():
    for quality in QUALITIES:
        assert lowest_quality(lambda one, least=quality: 0.96 if one >= least else 0.5) == quality
    assert lowest_quality(lambda _: 0.0) == QUALITIES[-1]


def test_only_answered_frames_are_held_against_the_whole_network():
    found = Detections(np.array([[10.0, 10.0, 4.0, 4.0]]), np.array([0.9]), np.array([1]))
    reference = Reference(("person", "car"), (found, found))
    answer = {"answered_s": 1.0, "boxes": [[10.0, 10.0, 4.0, 4.0]], "scores": [0.8]}
    same, other = {**answer, "names": ["car"]}, {**answer, "names": ["person"]}
    assert reference.f1([{"video_frame": 0, **same}, {"video_frame": 1}]) == 1.0
    assert reference.f1([{"video_frame": 0, **same}, {"video_frame": 1, **other}]) == 0.5


def test_the_robot_has_a_core_of_its_own_where_there_are_two():
    shared = share_out(frozenset({3, 5, 6}))
    assert (shared.robot, shared.edge) == (frozenset({3}), frozenset({5, 6}))
    assert share_out(frozenset({2})).edge == frozenset({2})


def test_the_changing_link_takes_turns_and_then_the_edge_does():
    scenario = changing()
    assert (scenario.name, scenario.camera_hz, scenario.frames) == ("changing", 4.0, 480)
    assert [step.uplink_mbps for step in scenario.steps[:6]] == [50.0, 1.0] * 3
    assert [step.busy_edge for step in scenario.steps] == [False] * 6 + [False, True] * 3
    assert {step.uplink_mbps for step in scenario.steps[6:]} == {50.0}
    assert [step.at_s for step in scenario.steps] == [10.0 * turn for turn in range(12)]


def test_a_constant_scenario_is_named_by_its_rate():
    assert constant(4.0, camera_hz=4.0, frames=10).name == "4"


def test_frames_in_flight_have_a_table_where_they_were_measured():
    flights = [
        {"max_in_flight": n, "uplink_mbps": 16.0, "camera_hz": 30.0, "fps": 5.0 * n, "answer_ms": {"mean": 80.0}}
        for n in (1, 2)
    ]
    without = make_summary([row("default", 80.0)], systems(90), {}, {})
    assert "in flight" not in table(without)
    said = table({**without, "in_flight": flights})
    assert "## Frames in flight, 16 Mbit/s, a camera of 30 Hz" in said
    assert "| 2 | 10.0 | 80 ms |" in said


def test_the_page_has_what_was_measured_beside_the_runs_and_what_falls_short():
    about = {"machine": "2 cores", "link": "a link", "model": "m", "robot_speed": 0.2, "camera_hz": 4.0, "rounds": 1}
    about |= {"image": [640, 480], "warm_up_frames": 4}
    summary = make_summary([row(OURS, 50.0)], systems(80), about, {})
    local = {"rate_mbps": 0.0, "loss": 0.0, "size": 1_000_000, "share": 0.0, "median_ms": 6.0}
    local |= {"one_way_ms": 4.84, "made_ms": 0.5, "publish_ms": 1.0, "late_ms": 5.0, "lost": 0}
    wire = [local, {**local, "rate_mbps": 16.0, "loss": 0.01, "share": 0.957}]
    key_frames = [{"step": 2, "kappa": 0.95, "score_ms": 1.5, "reference_ms": 30.0}]
    without = page(summary)
    said = page(summary, wire=wire, start_up={"weights": 0.5, "whole": 4.321}, key_frames=key_frames)
    assert "| one machine | 0% | 1000 kB |  | 6.0 ms | 4.8 ms | 1.0 ms | 0 |" in said
    assert "| 16 Mbit/s | 1% | 1000 kB | 0.96 |" in said
    assert "| whole | 4.32 |" in said
    assert "| 2 | 0.950 | 1.50 ms | 30.0 ms |" in said
    assert "| one machine, 1 MB from publish to callback | ≤ 1.5 ms | 4.34 ms | **no** |" in said
    assert "| from the robot's start to its first detections | ≤ 4 s | 4.32 s | **no** |" in said
    assert "publish to callback" not in without and "Start of the robot" not in without
    for made in (said, without):
        assert "## What falls short, and why" in made and made.endswith("\n") and "\n\n\n" not in made


def test_an_aim_is_held_against_the_worst_that_was_measured_for_it():
    summary = {
        "ratio_to_best": {"4": 0.9, "16": 1.2, "changing": 0.6},
        "ratio_at_equal_f1": {"4": 1.01},
        "micro": {"robot, before an image is sent": {"median_ms": 1.4}},
    }
    wire = [
        {"rate_mbps": rate, "loss": loss, "size": size, "share": share, "late_ms": late_ms}
        for rate, loss, size, share, late_ms in (
            (4.0, 0.0, 20_000, 0.97, 1.0),
            (4.0, 0.0, 100_000, 0.94, 1.0),
            (50.0, 0.0, 20_000, 0.91, 1.0),
            (4.0, 0.01, 20_000, 0.1, 700.0),
            (4.0, 0.01, 100_000, 0.8, 300.0),
        )
    ]
    met = {aim.name: (aim.measured, aim.is_met) for aim in aims(summary, wire, {"whole": 3.0}, [])}
    assert list(met.values()) == [
        (1.2, False),
        (1.01, True),
        (0.6, True),
        (1.4, True),
        (0.94, False),
        (0.91, True),
        (0.8, True),
        (0.7, False),
        (3.0, True),
    ]
