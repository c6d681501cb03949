# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The values in a robot's diagnostics, and their levels."""

from __future__ import annotations

import math

from diagnostic_msgs.msg import DiagnosticStatus

from neurosurgeon_ros.diagnostics.robot_health import SILENCE_S, Health, level, stream_values
from neurosurgeon_ros.diagnostics.window import WINDOW_S
from neurosurgeon_ros.robot.arrival import Counts
from neurosurgeon_ros.robot.decision import Decision, Delays, Outcome
from neurosurgeon_ros.robot.streams.stream import StreamCounts


def decision(sequence: int, outcome: Outcome, delays: Delays, sent_bytes: int = 0) -> Decision:
    return Decision(
        header=None,
        sequence=sequence,
        policy="fixed",
        arm="pool1/uint8",
        partition_point=1,
        key_frame=False,
        similarity=1.0,
        forced=sequence == 1,
        predicted_robot_s=0.01,
        predicted_offload_s=0.05,
        delays=delays,
        outcome=outcome,
        detections=0,
        counts=Counts(),
        sent_bytes=sent_bytes,
    )


def test_rates_are_those_of_the_last_seconds() -> None:
    health = Health(0.0)
    for second in range(1, 11):
        trend = health.trend(Counts(received=30 * second, accepted=10 * second, dropped=20 * second), float(second))
    assert (trend.in_hz, trend.out_hz, trend.dropped_hz, trend.silent_s) == (30.0, 10.0, 20.0, 0.0)
    counts = Counts(received=300, accepted=100, dropped=200)
    assert 0.0 < health.trend(counts, 12.0).in_hz < 30.0
    stopped = health.trend(counts, 12.0 + WINDOW_S)
    assert (stopped.in_hz, stopped.silent_s) == (0.0, 2.0 + WINDOW_S)


def test_delays_are_means_in_milliseconds_and_the_link_rate_is_what_was_sent() -> None:
    health = Health(0.0)
    edge = Delays(front_end=0.010, offload=0.1, transmit=0.08, total=0.120)
    health.decided(decision(1, Outcome.EDGE, edge, sent_bytes=10_000), 1.0)
    health.decided(decision(2, Outcome.ON_DEVICE, Delays(front_end=0.030, total=0.040)), 1.5)
    health.trend(Counts(received=2, accepted=2), 2.0)
    values = health.values()
    assert values["front end delay [ms]"] == "20.0"
    assert values["offload delay [ms]"] == "100.0"
    assert values["link rate [Mbit/s]"] == "1.0"
    assert values["prediction error [ms]"] == "50.0"
    assert (values["outcome edge"], values["outcome on_device"], values["outcome fallback"]) == (1, 1, 0)
    assert values["forced"] == "1 of 2"
    assert "encode delay [ms]" not in values, "no frame was encoded"

    health.trend(Counts(received=2, accepted=2), 20.0)
    later = health.values()
    assert later["link rate [Mbit/s]"] == "unknown" and later["outcome edge"] == 1


def test_levels() -> None:
    def told(counts: Counts, at_s: float, obstacle: str = "") -> tuple[bytes, str]:
        return level(Health(0.0).trend(counts, at_s), obstacle=obstacle, image_topic="/image_raw")

    some = Counts(received=10, accepted=10)
    assert told(some, 1.0) == (DiagnosticStatus.OK, "works with the edge")
    assert told(some, 1.0, "no edge is there") == (DiagnosticStatus.WARN, "works without the edge: no edge is there")
    assert told(Counts(), 1.0)[0] == DiagnosticStatus.WARN
    silent = told(Counts(), SILENCE_S + 1.0)
    assert silent[0] == DiagnosticStatus.ERROR and "/image_raw for 4 s" in silent[1]
    broken = told(Counts(received=10, accepted=8, rejected=2), 1.0, "no edge is there")
    assert broken[0] == DiagnosticStatus.ERROR and broken[1].startswith("2 images")


def test_a_video_without_a_key_frame_is_a_warning_that_says_so() -> None:
    skipped = Health(0.0).trend(Counts(received=10, rejected=10), 1.0)
    said = "waits for a key frame of h264 on /image_raw/ffmpeg"
    assert level(skipped, obstacle="", image_topic="/image_raw/ffmpeg", waits_for=said) == (DiagnosticStatus.WARN, said)
    assert level(skipped, obstacle="", image_topic="/image_raw/ffmpeg")[0] == DiagnosticStatus.ERROR


def test_frames_that_are_lost_are_an_error() -> None:
    health = Health(0.0)
    health.lost(1.0)
    trend = health.trend(Counts(received=5, accepted=5), 2.0)
    assert level(trend, obstacle="", image_topic="/image_raw")[0] == DiagnosticStatus.ERROR
    assert math.isclose(trend.in_hz, 2.5)
    later = health.trend(Counts(received=50, accepted=50), 2.0 + WINDOW_S)
    assert level(later, obstacle="", image_topic="/image_raw")[0] == DiagnosticStatus.OK


def test_streams() -> None:
    counts = StreamCounts(held=2, held_bytes=3 << 19, keys=4, broken=5, diverged=6, failed=7)
    assert stream_values(counts) == {
        "streams": 2,
        "memory of streams [MiB]": "1.5",
        "keys": 4,
        "streams broken": 5,
        "streams diverged": 6,
        "frames that an encoder failed on": 7,
    }
