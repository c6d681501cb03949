# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What runs on recorded links come to: links.json, its tables, the records of runs, and the check of the replay."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from testbed.aims import aims
from testbed.bulk import FRAME_BYTES
from testbed.forwarder import Counts
from testbed.link_queue import Capacity
from testbed.run import Seen
from testbed.systems import JPEG_80, OURS, System, systems
from testbed.trace_check import compare, in_words
from testbed.trace_record import finite, frames_of, measured
from testbed.trace_report import links_section, links_table
from testbed.trace_summary import ROBOT, LinkRow, make_link, make_link_row, make_links_summary
from testbed.traces import Trace

TRACE = Trace("drive", (2.0, 0.0, 4.0, 1.0) * 10)


def row(name: str, mean_ms: float, *, p99_ms: float = 0.0, f1: float = 1.0) -> LinkRow:
    p99_ms = p99_ms or mean_ms
    return LinkRow(name, 60, 58, 2, mean_ms, mean_ms, mean_ms, p99_ms, f1, 2e4, 0.1, 0.1)


def decision(arm: str, outcome: str, **delays: float) -> dict[str, object]:
    stages = ("preprocess", "front_end", "finish", "edge_queue", "edge_decode", "edge_compute", "edge_postprocess")
    every = {f"{stage}_delay": delays.get(stage, math.nan) for stage in stages}
    return {"arm": arm, "outcome": outcome, "sent_bytes": 100, **every}


def test_all_frames_count_and_those_without_an_answer_are_dropped() -> None:
    frames = [{"video_frame": 0, "sent_s": 0.0, "answered_s": 0.1}, {"video_frame": 1, "sent_s": 1.0}]
    decisions = [decision("input/jpeg", "edge"), decision("on_device", "on_device"), decision("input/jpeg", "fallback")]
    one = Seen([0.1, 0.3], frames, decisions, seconds=2.0, wire_bytes=2000, robot_cpu_s=0.2, edge_cpu_s=0.4)
    made = make_link_row(System("some"), [one, one], lambda frames: len(frames) / 4)
    assert (made.frames, made.answered, made.dropped, made.f1) == (4, 2, 2, 1.0)
    assert (made.mean_ms, made.median_ms, made.p90_ms, made.p99_ms) == (200.0, 200.0, 300.0, 300.0)
    assert made.arms == {"input/jpeg": 0.6667, "on_device": 0.3333}
    assert made.outcomes == {"edge": 0.3333, "on_device": 0.3333, "fallback": 0.3333}
    assert make_link_row(System("other"), [replace(one, decisions=[])], lambda _: 1.0).arms == {}


def test_the_default_is_compared_with_the_best_alternative_and_with_the_robots_detector() -> None:
    rows = [row(OURS, 90.0, p99_ms=180.0), row(JPEG_80, 100.0, f1=0.93), row(ROBOT, 150.0, p99_ms=160.0)]
    made = make_link(TRACE, [*rows, row("not_listed", 10.0)], [JPEG_80, ROBOT])
    assert (made["name"], made["seconds"], made["down_share"]) == ("drive", 4.0, 0.25)
    assert (made["best_alternative"], made["ratio_to_best"], made["p99_to_robot"]) == (JPEG_80, 0.9, 1.125)
    assert [one["name"] for one in made["systems"]] == [OURS, JPEG_80, ROBOT, "not_listed"]


def test_what_did_not_run_has_no_ratio() -> None:
    alone = make_link(TRACE, [row(OURS, 90.0)], [JPEG_80, ROBOT])
    assert (alone["best_alternative"], alone["ratio_to_best"], alone["p99_to_robot"]) == (None, None, None)
    both = make_link(TRACE, [row(OURS, 90.0), row(JPEG_80, 100.0)], [JPEG_80, ROBOT])
    assert make_links_summary([both, alone], (), {})["ratio_to_best"] is None, "a mean over some links says nothing"
    assert "Mean over the links" not in links_table(make_links_summary([alone], (), {}))


def test_the_tables_name_each_link_and_the_means_over_them() -> None:
    links = [
        make_link(
            replace(TRACE, name=name), [row(OURS, ours), row(JPEG_80, 100.0), row(ROBOT, 200.0)], [JPEG_80, ROBOT]
        )
        for name, ours in (("lte", 90.0), ("umts", 80.0))
    ]
    summary = make_links_summary(links, systems(90), {"machine": "2 cores", "link": "a link", "warm_up_frames": 4})
    assert (summary["ratio_to_best"], summary["p99_to_robot"]) == (0.85, 0.425)
    said = links_table(summary)
    assert "## lte: 1.8 Mbit/s on average, at most 4, down for 25 % of the time" in said
    assert "| `default` | 90 ms | 90 ms | 90 ms | 90 ms | 58/60 | 20.0 kB | 1.000 |  |" in said
    assert "`default` / best alternative (`jpeg_80`): **0.90**" in said
    assert "Mean over the links: `default` / best alternative **0.85**" in said
    section = "\n".join(links_section(summary))
    assert section.startswith("## Recorded links\n")
    assert said.strip() in section
    held = {aim.limit: (aim.measured, aim.is_met) for aim in aims(_empty(), [], {}, [], summary)}
    assert held == {0.92: (0.85, True), 1.0: (0.425, True)}


def _empty() -> dict[str, dict[str, float]]:
    return {"ratio_to_best": {}, "ratio_at_equal_f1": {}, "micro": {}}


def test_a_record_has_every_frame_with_times_from_the_beginning_of_the_link() -> None:
    camera = {
        "warm_up": 1,
        "frames": [{"sent_s": 9.5, "answered_s": 9.75}, {"sent_s": 10.0}, {"sent_s": 10.5, "answered_s": 11.0}],
    }
    made = frames_of(camera, [1.0, 0.5], 10.0)
    assert made == [
        {"sent_s": -0.5, "answered_s": -0.25, "counted": False, "delay_s": None},
        {"sent_s": 0.0, "answered_s": None, "counted": True, "delay_s": 1.0},
        {"sent_s": 0.5, "answered_s": 1.0, "counted": True, "delay_s": 0.5},
    ]


def test_a_record_has_what_the_edge_and_the_robot_took() -> None:
    at_edge = {"edge_queue": 0.001, "edge_decode": 0.002, "edge_postprocess": 0.01}
    decisions = [decision("input/jpeg", "edge", edge_compute=seconds, **at_edge) for seconds in (0.02, 0.03, 0.05)]
    decisions += [decision("input/jpeg", "edge"), decision("input/jpeg", "fallback", finish=0.3)]
    decisions += [decision("on_device", "on_device", preprocess=0.01, front_end=0.2)]
    arms = [{"name": "input/jpeg", "back_s": 0.05}, {"name": "on_device", "back_s": 0.0}]
    made = measured(decisions, arms)
    assert made["edge"]["input/jpeg"] == {
        "frames": 3,
        "queue_s": 0.001,
        "decode_s": 0.002,
        "compute_s": 0.03,
        "postprocess_s": 0.01,
        "sent_bytes": 100.0,
    }
    assert made["edge_factor"] == pytest.approx(0.04 / 0.05)
    assert made["on_device_s"] == pytest.approx(0.21)
    assert measured([], []) == {"edge": {}, "edge_factor": None, "on_device_s": None}


def test_a_record_holds_only_json() -> None:
    assert finite({"a": (1, math.nan, [math.inf, "x", None, True])}) == {"a": [1, None, [None, "x", None, True]]}


def test_the_check_finds_a_replay_that_is_too_fast_in_one_second() -> None:
    capacity = Capacity(TRACE.mbps, 0.1)
    arrivals = [7.0 + capacity.seconds(FRAME_BYTES * number) for number in range(1, 700)]
    good = compare(TRACE, arrivals, 7.0)
    assert good.is_good
    assert good.total == pytest.approx(1.0, abs=0.003)
    assert len(good.expected) == 4
    twice = compare(TRACE, sorted(arrivals + [time for time in arrivals if 8.0 < time < 9.0]), 7.0)
    assert not twice.is_good
    assert twice.worst == pytest.approx(1.0, abs=0.05)
    assert in_words(TRACE, twice, Counts(9, 9, 0, (0.1, 0.2, 0.3))).endswith("at most 0.30: NOT GOOD")
