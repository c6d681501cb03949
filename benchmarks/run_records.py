# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read records of real runs for :mod:`agreement_with_simulator`.

A record comes from a folder of the testbed: from run.json, which `make bench BENCH='--link-trace FILE'` writes, or from
camera.json and robot_node.log of any other run. In the second case, the caller passes the link's rates.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from testbed.trace_record import FORMAT

from neurosurgeon_ros.calibration.admission import Admission, expand
from neurosurgeon_ros.calibration.arm_table import ArmTable, build_arm_table
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.calibration.fidelity import find_fidelity
from neurosurgeon_ros.calibration.kept_delays import KeptDelays
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.simulation.arms.real_run import RealRun
from neurosurgeon_ros.simulation.link_files import ROW_S


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """
    A real run with all values that its simulation needs.

    :param name: name of the link.
    :param policy: name of the robot's policy.
    :param run: images and decisions of the run.
    :param table: the robot's own arm table.
    :param pixels: number of pixels of a camera image.
    :param mbps: rates of the link in Mbit/s from the first image on, each for :data:`ROW_S` seconds.
    :param uncounted: number of images at the start that do not count.
    """

    name: str
    policy: str
    run: RealRun
    table: ArmTable
    pixels: int
    mbps: FloatArray
    uncounted: int


def read_record(folder: Path) -> Record:
    """
    Read run.json in a folder.

    :raises ValueError: if the file has another format, or the run is not a run of this package.
    :raises OSError: if the file cannot be read.
    """
    path = folder / "run.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("format") != FORMAT:
        raise ValueError(f"{path} has format {content.get('format')!r}, but must have {FORMAT}; run it again")
    arms, link = content["arms"], content["link"]
    if not arms:
        raise ValueError(f"{path} is a run of {content['system']}, which has no arms; give a run of this package")
    sent_s = [frame["sent_s"] for frame in content["frames"]]
    before = np.full(max(0, round(-sent_s[0] / ROW_S)), link["usual_mbps"])
    shares = [arm["image_bytes"] / arm["bytes"] for arm in arms if arm["camera"] and arm["bytes"]]
    return Record(
        name=link["name"],
        policy=content["policy"],
        run=_run(sent_s, [_with_nan(one) for one in content["decisions"]]),
        table=_recorded_table(arms),
        pixels=round((shares[0] if shares else 1.0) * CUSTOMARY_PIXELS),
        mbps=np.concatenate([before, np.asarray(link["mbps"], dtype=np.float64)]),
        uncounted=int(content["warm_up"]),
    )


def camera_record(
    folder: Path, *, name: str, policy: str, table: ArmTable, mbps: FloatArray, pixels: int = CUSTOMARY_PIXELS
) -> Record:
    """
    Read camera.json in a folder. The other parameters are those of :class:`Record`.

    :param mbps: rates of the link in Mbit/s from the first image that counts. Earlier images had the first rate.
    :raises OSError: if the file cannot be read.
    """
    seen = json.loads((folder / "camera.json").read_text(encoding="utf-8"))
    run = _run([frame["sent_s"] for frame in seen["frames"]], seen["decisions"])
    before = np.full(round(seen["warm_up"] * run.period_s / ROW_S), mbps[0])
    return Record(name, policy, run, table, pixels, np.concatenate([before, mbps]), int(seen["warm_up"]))


def logged_table(
    folder: Path, model: str, robot_speed: float, threads: int, codecs: Sequence[str], kept: Path
) -> ArmTable:
    """
    Return the arm table of a run's robot.

    Its arms and its on-device delay are read from the log. The other times are the delays that the robot kept, scaled
    to the on-device delay.

    :param folder: folder of the run, with robot_node.log.
    :param model: the robot's parameter, like `robot_speed` and `codecs`.
    :param threads: number of threads of the robot.
    :param kept: folder with the delays that the robot kept.
    :raises ValueError: if the log does not name the arms.
    :raises OSError: if the log cannot be read.
    """
    log = folder / "robot_node.log"
    said = re.findall(r"\d+ arms \((.+)\), (\d+) ms on the device", log.read_text(encoding="utf-8"))
    if not said:
        raise ValueError(f"{log} does not name the robot's arms; give the folder of a run of robot_node")
    names, on_device_ms = said[-1][0].split(", "), float(said[-1][1])
    engine = Engine.load(model)
    fidelity = find_fidelity(engine.fingerprint)
    every = build_arm_table(
        engine,
        expand(codecs, fidelity),
        admission=Admission(fidelity=fidelity),
        speed=robot_speed,
        threads=threads,
        keep_all=True,
        measure=KeptDelays(kept, is_as_fast=lambda engine, profile: True).calibrate,
    )
    chosen = np.array([every.index(name) for name in names])
    profile = every.profile
    return replace(
        every,
        arms=tuple(every.arms[arm] for arm in chosen),
        profile=replace(profile, encode_s=profile.encode_s[chosen], decode_s=profile.decode_s[chosen]),
        robot_s=every.robot_s[chosen] * (on_device_ms / 1e3 / float(every.robot_s[-1])),
        features=every.features[chosen],
        decode_s=every.decode_s[chosen],
        point=every.point[chosen],
        fidelity=every.fidelity[chosen],
        allowed=every.allowed[chosen],
        camera=every.camera[chosen],
        key_bytes=every.key_bytes[chosen],
    )


def _run(sent_s: Sequence[float], decisions: Sequence[Mapping[str, Any]]) -> RealRun:
    ordered = sorted(decisions, key=lambda one: int(one["frame"]))
    period_s = float(np.median(np.diff(np.asarray(sent_s))))
    return RealRun(len(sent_s), period_s, ordered, [int(one["frame"]) for one in ordered])


def _with_nan(decision: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision with NaN for each delay that was not measured, as in the message."""
    return {key: math.nan if value is None else value for key, value in decision.items()}


def _recorded_table(arms: Sequence[Mapping[str, Any]]) -> ArmTable:
    """Return the arm table in run.json. Its profile includes post-processing in the back-end."""

    def column(name: str) -> FloatArray:
        return np.array([float(arm[name]) for arm in arms])

    point = np.array([int(arm["point"]) for arm in arms], dtype=np.int64)
    back_s, robot_s = column("back_s"), column("robot_s")
    front_s = np.zeros(int(point[-1]) + 1)
    front_s[point] = back_s.max() - back_s
    return ArmTable(
        arms=tuple(Arm(int(arm["point"]), "", str(arm["name"])) for arm in arms),
        profile=DelayProfile(
            score_s=0.0,
            preprocess_s=0.0,
            front_s=front_s,
            encode_s=column("encode_s") * (front_s[-1] / robot_s[-1]),
            decode_s=column("decode_s"),
            postprocess_s=0.0,
        ),
        robot_s=robot_s,
        features=np.array([arm["features"] for arm in arms], dtype=np.float64),
        decode_s=column("decode_s"),
        point=point,
        fidelity=column("fidelity"),
        allowed=np.ones(len(arms), dtype=np.bool_),
        camera=np.array([bool(arm["camera"]) for arm in arms]),
        key_bytes=np.array([float(arm.get("key_bytes", 0.0)) for arm in arms]),  # earlier records have none
    )
