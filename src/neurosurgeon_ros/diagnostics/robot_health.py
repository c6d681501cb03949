# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's health over the last seconds, for its diagnostics."""

from __future__ import annotations

import dataclasses
import math
import statistics
import threading
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from neurosurgeon_ros.diagnostics.window import WINDOW_S, Recent, Totals
from neurosurgeon_ros.robot.arrival import Counts
from neurosurgeon_ros.robot.decision import Decision, Delays, Outcome
from neurosurgeon_ros.robot.streams.stream import StreamCounts

#: Seconds without an image, or since the start, after which the diagnostics report that no image arrives.
SILENCE_S = 3.0

_STAGES = tuple(field.name for field in dataclasses.fields(Delays))


@dataclass(frozen=True, slots=True)
class Trend:
    """
    Statistics of the last seconds.

    :param in_hz: images per second from the camera.
    :param out_hz: detections messages per second.
    :param rejected: images that could not be converted, in these seconds.
    :param lost: accepted frames whose results could not be delivered, in these seconds.
    :param silent_s: seconds since the last image, or since the start before the first image.
    """

    in_hz: float
    out_hz: float
    dropped_hz: float
    rejected: int
    lost: int
    silent_s: float


class Health:
    """
    Collects decisions from the pipeline's thread; the executor's thread calls :meth:`trend`.

    :param now_s: time of the start, monotonic seconds.
    """

    def __init__(self, now_s: float) -> None:
        self._lock = threading.Lock()
        self._decisions: Recent[Decision] = Recent()
        self._lost: Recent[None] = Recent()
        self._counts = Totals(now_s, Counts())
        self._image_s = now_s
        self._outcomes = dict.fromkeys(Outcome, 0)

    def decided(self, decision: Decision, now_s: float) -> None:
        """Record a finished frame."""
        with self._lock:
            self._decisions.add(now_s, decision)
            self._outcomes[decision.outcome] += 1

    def lost(self, now_s: float) -> None:
        """Record a frame whose results could not be delivered."""
        with self._lock:
            self._lost.add(now_s, None)

    def trend(self, counts: Counts, now_s: float) -> Trend:
        """
        Record the current counts, and return the trend of the last seconds.

        :param counts: counts since the start.
        """
        if counts.received != self._counts.newest.received:
            self._image_s = now_s
        then, span_s = self._counts.slide(now_s, counts)
        with self._lock:
            self._decisions.expire(now_s)
            self._lost.expire(now_s)
            lost = len(self._lost.all())
        return Trend(
            in_hz=(counts.received - then.received) / span_s,
            out_hz=(counts.accepted - then.accepted) / span_s,
            dropped_hz=(counts.dropped - then.dropped) / span_s,
            rejected=counts.rejected - then.rejected,
            lost=lost,
            silent_s=now_s - self._image_s,
        )

    def values(self) -> dict[str, object]:
        """Return outcomes since the start, and mean delays of the last seconds in milliseconds, for display."""
        with self._lock:
            recent = self._decisions.all()
            outcomes = dict(self._outcomes)
        values: dict[str, object] = {f"outcome {outcome.name.lower()}": n for outcome, n in outcomes.items()}
        for stage in _STAGES:
            seconds = [value for one in recent if not math.isnan(value := getattr(one.delays, stage))]
            if seconds:
                values[f"{stage.replace('_', ' ')} delay [ms]"] = f"{1e3 * statistics.fmean(seconds):.1f}"
        rate = link_rate(recent)
        values["link rate [Mbit/s]"] = "unknown" if math.isnan(rate) else f"{rate / 1e6:.1f}"
        if recent:
            last = recent[-1]
            values["last arm"] = last.arm
            values["key frames"] = f"{sum(one.key_frame for one in recent)} of {len(recent)}"
            values["forced"] = f"{sum(one.forced for one in recent)} of {len(recent)}"
            values["prediction error [ms]"] = _prediction_error(recent)
        return values


def level(
    trend: Trend, *, obstacle: str, image_topic: str, silence: str = "", losses: str = "", waits_for: str = ""
) -> tuple[bytes, str]:
    """
    Return a robot's health: ERROR if frames are lost or none arrive, WARN if it works without the edge.

    :param obstacle: why the edge cannot be used; empty if it can.
    :param silence: why no image arrives.
    :param losses: how many images do not reach the robot; empty if almost none.
    :param waits_for: which key frame of a video the robot waits for; empty if it waits for none.
    """
    if trend.silent_s > SILENCE_S:
        text = f"no image has come on {image_topic} for {trend.silent_s:.0f} s"
        return DiagnosticStatus.ERROR, f"{text}: {silence}" if silence else text
    if trend.lost:
        return DiagnosticStatus.ERROR, f"the results of {trend.lost} frames were lost in the last {WINDOW_S:.0f} s"
    if waits_for:
        return DiagnosticStatus.WARN, waits_for
    if trend.rejected:
        return DiagnosticStatus.ERROR, f"{trend.rejected} images could not be read in the last {WINDOW_S:.0f} s"
    if trend.in_hz == 0.0:
        return DiagnosticStatus.WARN, "no image has come yet"
    if losses:
        return DiagnosticStatus.WARN, losses
    if obstacle:
        return DiagnosticStatus.WARN, f"works without the edge: {obstacle}"
    return DiagnosticStatus.OK, "works with the edge"


def stream_values(counts: StreamCounts) -> dict[str, object]:
    """Return the robot's streams, and what happened to them since the start, for display."""
    return {
        "streams": counts.held,
        "memory of streams [MiB]": f"{counts.held_bytes / 2**20:.1f}",
        "keys": counts.keys,
        "streams broken": counts.broken,
        "streams diverged": counts.diverged,
        "frames that an encoder failed on": counts.failed,
    }


def link_rate(decisions: list[Decision]) -> float:
    """
    Estimate the link's rate from answered frames.

    :returns: bits per second, the median over the frames; NaN if there are none.
    """
    rates = [
        8.0 * one.sent_bytes / one.delays.transmit
        for one in decisions
        if one.outcome is Outcome.EDGE and one.delays.transmit > 0.0 and one.sent_bytes
    ]
    return statistics.median(rates) if rates else math.nan


def _prediction_error(decisions: list[Decision]) -> str:
    errors = [abs(one.predicted_offload_s - one.delays.offload) for one in decisions if one.outcome is Outcome.EDGE]
    known = [error for error in errors if not math.isnan(error)]
    return f"{1e3 * statistics.fmean(known):.1f}" if known else "unknown"
