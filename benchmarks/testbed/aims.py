# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The aims of this package, and the measurements that they are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Step of `make bench-micro` that measures the robot's overhead.
OVERHEAD = "robot, before an image is sent"

#: Minimum goodput relative to the link's rate: by Mbit/s without loss, and with 1 % of packets lost for messages of
#: 100 kB and more.
LEAST_SHARE, LEAST_SHARE_WITH_LOSS = {4.0: 0.95, 16.0: 0.95, 50.0: 0.90}, 0.75

#: Maximum milliseconds from publish to callback on one machine, by bytes.
MOST_LOCAL_MS = {1_000_000: 1.5, 4_000_000: 6.0}


@dataclass(frozen=True, slots=True)
class Aim:
    """
    One aim.

    :param name: description for the report.
    :param measured: worst measured value.
    :param limit: limit of this value.
    :param unit: unit of both, with a leading space; empty for a ratio.
    :param is_least: whether the limit is a minimum; otherwise it is a maximum.
    """

    name: str
    measured: float
    limit: float
    unit: str = ""
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        """Return whether the measured value is within the limit."""
        return self.measured >= self.limit if self.is_least else self.measured <= self.limit


def aims(
    summary: Mapping[str, Any],
    wire: Sequence[Mapping[str, Any]],
    start_up: Mapping[str, float],
    key_frames: Sequence[Mapping[str, float]],
    links: Mapping[str, Any] | None = None,
) -> list[Aim]:
    """
    Return every aim for which there is a measurement.

    :param summary: content of summary.json.
    :param wire: results of benchmarks/wire.py; empty if it has not run.
    :param start_up: seconds by stage from benchmarks/start_up.py; empty if it has not run.
    :param key_frames: results of benchmarks/key_frames.py by frame step; empty if it has not run.
    :param links: content of links.json; None if no recorded link has run.
    """
    return [
        *_ratios(summary),
        *_links(links or {}),
        *_overheads(summary["micro"], key_frames),
        *_wire(wire),
        *_start_up(start_up),
    ]


def _ratios(summary: Mapping[str, Any]) -> Iterator[Aim]:
    best, equal = summary["ratio_to_best"], summary["ratio_at_equal_f1"]
    for name, ratios, limit in (
        ("the best alternative with F1 ≥ 0.95", best, 1.03),
        ("jpeg 80 at equal F1", equal, 1.05),
    ):
        constant = [ratio for scenario, ratio in ratios.items() if scenario != "changing"]
        if constant:
            yield Aim(f"delay, constant rates: `default` / {name}", max(constant), limit)
    if "changing" in best:
        yield Aim("delay, changing link: `default` / the best alternative with F1 ≥ 0.95", best["changing"], 0.85)


def _links(links: Mapping[str, Any]) -> Iterator[Aim]:
    if links.get("ratio_to_best") is not None:
        yield Aim("delay, recorded links, mean: `default` / the best alternative", links["ratio_to_best"], 0.92)
    if links.get("p99_to_robot") is not None:
        yield Aim("p99, recorded links, mean: `default` / `detector_on_robot`", links["p99_to_robot"], 1.0)


def _overheads(micro: Mapping[str, Any], key_frames: Sequence[Mapping[str, float]]) -> Iterator[Aim]:
    if OVERHEAD in micro:
        yield Aim("robot's own work before an image is sent, 640 × 480", micro[OVERHEAD]["median_ms"], 1.5, " ms")
    if key_frames:
        yield Aim("key-frame score, mean, 640 × 480", max(one["score_ms"] for one in key_frames), 2.5, " ms")
        steps = ", ".join(f"{one['step']:g}" for one in key_frames)
        agreement = min(one["kappa"] for one in key_frames)
        yield Aim(f"key frames, Cohen's kappa with full-size SSIM, frame steps {steps}", agreement, 0.9, is_least=True)


def _wire(wire: Sequence[Mapping[str, Any]]) -> Iterator[Aim]:
    for rate, least in LEAST_SHARE.items():
        clean = _at(wire, rate, with_loss=False)
        if clean:
            smallest = min(one["size"] for one in clean)
            name = f"share of a link of {rate:g} Mbit/s, messages of {smallest / 1e3:g} kB and more"
            yield Aim(name, _least_share(clean), least, is_least=True)
    lossy = [one for rate in LEAST_SHARE for one in _at(wire, rate, with_loss=True)]
    large = [one for one in lossy if one["size"] >= 100_000]
    if large:
        name = "share of any link with 1 % of packets lost, messages of 100 kB and more"
        yield Aim(name, _least_share(large), LEAST_SHARE_WITH_LOSS, is_least=True)
        latest_s = max(one["late_ms"] for one in lossy) / 1e3
        yield Aim("slowest message with 1 % of packets lost, beyond the wire's own time", latest_s, 0.5, " s")
    for one in wire:
        if not one["rate_mbps"] and one["size"] in MOST_LOCAL_MS:
            name = f"one machine, {one['size'] / 1e6:g} MB from publish to callback"
            yield Aim(name, one["one_way_ms"] - one["made_ms"], MOST_LOCAL_MS[one["size"]], " ms")


def _start_up(seconds: Mapping[str, float]) -> Iterator[Aim]:
    if seconds:
        yield Aim("from the robot's start to its first detections", seconds["whole"], 4.0, " s")


def _at(wire: Sequence[Mapping[str, Any]], rate_mbps: float, *, with_loss: bool) -> list[Mapping[str, Any]]:
    return [one for one in wire if one["rate_mbps"] == rate_mbps and bool(one["loss"]) is with_loss]


def _least_share(results: Iterable[Mapping[str, Any]]) -> float:
    return min(float(one["share"]) for one in results)
