# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Make an environment from a real run over a known link, to simulate the same robot with the same policy and seed.

Unlike :mod:`~neurosurgeon_ros.simulation.replay`, the environment has every arm of the robot's own arm table, and the
link's real rates. The seconds and bytes of an arm are its means over the run. An arm that the run chose too rarely has
the values of the arm table; its seconds are scaled by the median ratio of measured to tabulated seconds of the other
arms. The load of the edge at each frame and the bytes of each image come from the run. The round trip of an empty
message and the cost of a byte on the link are fitted to the transmissions of the run. At the start, the robot knows its
arm table, but not the values from the run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.streams.bytes import StreamBytes
from neurosurgeon_ros.simulation.table import NetworkTable
from neurosurgeon_ros.simulation.uplink import UplinkByTime

#: Minimum number of frames for the mean of an arm.
_ENOUGH = 3
#: Candidates for the link's cost per byte of payload: headers add a few percent, and the bytes of a burst that the link
#: lets through at once cost nothing.
_FACTORS = np.linspace(0.5, 1.5, 101)
#: A frame that was in the slot for more than this many seconds waited for the previous frame; maximum seconds that the
#: robot is busy after a result.
_WAITED_S, _LONGEST_AFTER_S = 0.005, 0.5
_ROBOT = ("preprocess_delay", "front_end_delay", "encode_delay")
_COMPUTE = ("edge_compute_delay", "edge_postprocess_delay")

#: The decision of one accepted frame: the fields of neurosurgeon_ros/PartitionDecision, with the outcome as a word.
Decision = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class RealRun:
    """
    A run of a real robot.

    :param images: number of images that the camera sent.
    :param period_s: seconds between two images.
    :param decisions: decisions of accepted frames, in order; those of the first frames may be missing.
    :param image: index of each decision's image, from 0, ascending. Shape (decisions,).
    """

    images: int
    period_s: float
    decisions: Sequence[Decision]
    image: Sequence[int]


def run_environment(
    run: RealRun,
    table: ArmTable,
    mbps: FloatArray,
    *,
    row_s: float,
    fidelity_price_s: float,
    pixels: int = CUSTOMARY_PIXELS,
    deadline_s: float = math.inf,
    seed: int = 0,
) -> Environment:
    """
    Make the environment of a run.

    :param table: the robot's own arm table.
    :param mbps: rates of the link in Mbit/s from the first image on, each for `row_s` seconds.
    :param fidelity_price_s: the robot's penalty in seconds for each hundredth of fidelity that an arm loses.
    :param pixels: number of pixels of a camera image.
    :param deadline_s: the robot's deadline in seconds; infinity: the robot derives it.
    :param seed: seed of the noise and of the circuit breaker.
    :raises ValueError: if the edge answered no frame, the robot finished no frame by choice, or the run chose an arm
        that is not in the table.
    """
    strange = sorted({str(one["arm"]) for one in run.decisions} - {arm.name for arm in table.arms})
    if strange:
        raise ValueError(f"the run chose {', '.join(strange)}, which its arm table lacks; give the table of its robot")
    by_arm = {arm.name: [one for one in run.decisions if one["arm"] == arm.name] for arm in table.arms}
    answered = [[one for one in by_arm[arm.name] if one["outcome"] == "edge"] for arm in table.arms]
    own = by_arm[table.arms[-1].name]
    edge = [one for ones in answered for one in ones]
    if not edge or not own:
        missing = "answered by the edge" if own else "finished on the robot by choice"
        raise ValueError(f"the run has no frame that was {missing}; give a run that has some of both")
    offloaded = [[one for one in by_arm[arm.name] if one["sent_bytes"]] for arm in table.arms[:-1]]
    profile = table.profile
    known = _known(table, pixels)
    robot_s = _filled(offloaded, lambda one: _sum(one, *_ROBOT), known.robot_s[:-1])
    robot_s += _overhead_s(edge, "offload_delay")
    encode_s = _filled(offloaded, lambda one: _sum(one, "encode_delay"), known.profile.encode_s[:-1])
    on_device_s = np.mean([_sum(one, *_ROBOT, "finish_delay") for one in own]) + _overhead_s(own)
    back_s = profile.front_s[-1] - profile.front_s[table.point] + profile.postprocess_s
    edge_s = _filled(answered[:-1], lambda one: _sum(one, *_COMPUTE), back_s[:-1])
    decode_s = _filled(answered[:-1], lambda one: _sum(one, "edge_decode_delay"), table.decode_s[:-1])
    content = _content(run)
    features = known.features.copy()
    for arm, (one, ones) in enumerate(zip(table.arms, offloaded, strict=False)):
        if len(ones) >= _ENOUGH:
            at = [i for i, sent in zip(run.image, run.decisions, strict=True) if sent["arm"] == one.name]
            sizes = [float(sent["sent_bytes"]) for sent in by_arm[one.name]]
            usual = [size / content[i] for i, size in zip(at, sizes, strict=True) if size]
            # Of an arm with memory, some frames are keys, which are much larger.
            features[arm, PSI] = float(np.median(usual) if table.key_bytes[arm] else np.mean(usual))
    round_trip_s, factor, spread = _fit_link(run, mbps, row_s)
    key_frames = np.zeros(run.images, dtype=np.bool_)
    key_frames[[int(one["sequence"]) - 1 for one in run.decisions]] = [bool(one["key_frame"]) for one in run.decisions]
    own_s = np.append(robot_s, on_device_s)
    return Environment(
        table=NetworkTable("run", tuple(arm.name for arm in table.arms), features, own_s, np.append(edge_s, 0.0)),
        robot_s=own_s,
        compute_s=np.append(edge_s, 0.0),
        transmission_factor=np.full(len(table.arms), factor),
        round_trip_s=round_trip_s,
        mbps=mbps,
        slowdown=_load(run, [arm.name for arm in table.arms], edge_s, *_COMPUTE),
        queue_s=np.full(run.images, float(np.median([one["edge_queue_delay"] for one in edge]))),
        key_frames=key_frames,
        noise=Noise(sd=spread, log_normal=True),
        seed=seed,
        period_s=run.period_s,
        deadline_s=deadline_s,
        row_s=row_s,
        after_s=_after_s(run),
        coding=Coding(
            point=table.point,
            encode_s=np.append(encode_s, 0.0),
            decode_s=np.append(decode_s, 0.0),
            fidelity=table.fidelity,
            fidelity_price_s=fidelity_price_s,
            content=content,
            streams=_streams(known.key_bytes, features, run.period_s),
            known=known,
        ),
    )


def _known(table: ArmTable, pixels: int) -> ArmTable:
    """Return the arm table that the robot knows at the start, for the size of its images and in its own seconds."""
    whole_s = table.profile.preprocess_s + float(table.profile.front_s[-1]) + table.profile.postprocess_s
    share = np.where(table.camera, pixels / CUSTOMARY_PIXELS, 1.0)
    encode_s = table.profile.encode_s * (float(table.robot_s[-1]) / whole_s)
    features = table.features.copy()
    features[:, PSI] *= share
    return replace(
        table,
        profile=replace(table.profile, encode_s=share * encode_s),
        robot_s=table.robot_s + (share - 1.0) * encode_s,
        features=features,
        key_bytes=share * table.key_bytes,
    )


def _streams(key_bytes: FloatArray, features: FloatArray, period_s: float) -> StreamBytes | None:
    """Return the bytes of arms with memory: the run shows those of frames that are no keys, at whatever gaps it had."""
    return StreamBytes(key_bytes, np.array([period_s]), features[:, [PSI]]) if key_bytes.any() else None


def _content(run: RealRun) -> FloatArray:
    """
    Return the bytes of each image relative to the mean, interpolated between images that were sent; shape (images,).

    Only the arm that was sent most often counts. The result therefore does not depend on which arm was sent when.
    """
    sent = [(i, one) for i, one in zip(run.image, run.decisions, strict=True) if one["sent_bytes"]]
    most = Counter(one["arm"] for _, one in sent).most_common(1)[0][0]
    sizes = np.array([float(one["sent_bytes"]) for _, one in sent if one["arm"] == most])
    at = [i for i, one in sent if one["arm"] == most]
    content: FloatArray = np.interp(np.arange(run.images), at, sizes / sizes.mean())
    return content


def _load(run: RealRun, names: Sequence[str], usual_s: FloatArray, *steps: str) -> FloatArray:
    """
    Return the seconds of the edge's steps at each accepted frame, relative to the usual seconds of the frame's arm.

    :param usual_s: usual seconds of these steps for each arm except the last. Shape (n - 1,).
    :returns: factors, interpolated for frames that the edge did not answer. Shape (images,).
    """
    usual = dict(zip(names[:-1], usual_s, strict=True))
    answered = [one for one in run.decisions if one["outcome"] == "edge"]
    at = [int(one["sequence"]) - 1 for one in answered]
    load: FloatArray = np.interp(np.arange(run.images), at, [_sum(one, *steps) / usual[one["arm"]] for one in answered])
    return load


def _filled(frames: Sequence[Sequence[Decision]], value: Callable[[Decision], float], known: FloatArray) -> FloatArray:
    """
    Return the mean of each arm with enough frames, and a scaled value of the arm table for each other arm.

    The scale is the median ratio of means to table values.

    :param frames: decisions of each arm.
    :param value: returns the value of a decision.
    :param known: value of each arm in the arm table, shape (n - 1,).
    :returns: values, shape (n - 1,).
    """
    means = [float(np.mean([value(one) for one in ones])) if len(ones) >= _ENOUGH else math.nan for ones in frames]
    measured = np.array(means)
    both = np.isfinite(measured) & (known > 0.0)
    usual = float(np.median(measured[both] / known[both])) if both.any() else 1.0
    filled: FloatArray = np.where(np.isfinite(measured), measured, usual * known)
    return filled


def _overhead_s(frames: Sequence[Decision], *more: str) -> float:
    """Return the median seconds that frames took in addition to the slot and their recorded steps, at least 0."""
    last = more or ("finish_delay",)
    beyond = [one["total_delay"] - _sum(one, "slot_delay", *_ROBOT, *last) for one in frames]
    return max(0.0, float(np.median(beyond)))


def _after_s(run: RealRun) -> float:
    """Return the mean time in seconds from a result until the robot accepts a frame that waits in the slot."""
    beyond: list[float] = []
    for i, (image, one) in enumerate(zip(run.image[1:], run.decisions[1:], strict=True)):
        before = run.decisions[i]
        if one["sequence"] == before["sequence"] + 1 and one["slot_delay"] > _WAITED_S:
            accepted_s = image * run.period_s + one["slot_delay"]
            beyond.append(accepted_s - run.image[i] * run.period_s - before["total_delay"])
    return max(0.0, float(np.mean(np.minimum(beyond, _LONGEST_AFTER_S)))) if beyond else 0.0


def _fit_link(run: RealRun, mbps: FloatArray, row_s: float) -> tuple[float, float, float]:
    """
    Fit the round trip of an empty message and the cost of a byte to the transmissions of a run.

    :returns: seconds of the round trip, factor on the bytes, and standard deviation of the logarithm of the noise.
    """
    uplink = UplinkByTime(mbps, row_s)
    edge = [(i, one) for i, one in zip(run.image, run.decisions, strict=True) if one["outcome"] == "edge"]
    sent_s = np.array([i * run.period_s + _sum(one, "slot_delay", *_ROBOT) for i, one in edge])
    sent_bytes = np.array([float(one["sent_bytes"]) for _, one in edge])
    measured_s = np.array([_sum(one, "transmit_delay") for _, one in edge])
    found = (math.inf, 0.0, 1.0, 0.0)
    for factor in _FACTORS:
        drained_s = uplink.end_s(0, sent_s, factor * sent_bytes) - sent_s
        round_trip_s = max(0.0, float(np.median(measured_s - drained_s)))
        logs = np.log(np.maximum(measured_s, 1e-4) / np.maximum(drained_s + round_trip_s, 1e-4))
        error = float(np.mean(np.abs(logs)))
        if error < found[0]:
            found = (error, round_trip_s, float(factor), float(1.4826 * np.median(np.abs(logs - np.median(logs)))))
    return found[1], found[2], float(np.clip(found[3], 0.01, 0.5))


def _sum(decision: Decision, *names: str) -> float:
    """Return the sum of the delays of a decision in seconds. Delays that were not measured count as 0."""
    return math.fsum(value for value in (float(decision[name]) for name in names) if not math.isnan(value))
