# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The record of a run on a recorded link: everything that a simulator needs to simulate the run again.

`OUT/links/LINK/SYSTEM-ROUND/run.json` holds one JSON object. Delays and times are in seconds; null: unknown, or not
measured. The time 0 is the moment at which the recorded link began. Frames before the counted ones have negative
times; the link then had the rate `link.usual_mbps`.

- `format`: version of this format, 1.
- `system`, `policy`: name of the system, and of its policy; empty if it is not this package.
- `model`, `robot_speed`: name of the network; speed of the emulated robot as a fraction of one core.
- `camera_hz`: images per second.
- `warm_up`: number of frames before the counted ones.
- `link`: `name`; `row_s`, seconds for which each rate holds; `mbps`, rates in Mbit/s; `usual_mbps`; `queue_bytes`,
  size of the drop-tail queue in front of the link; `passed`, `passed_bytes`, `dropped`, `late_ms`, see
  :class:`.forwarder.Counts`.
- `frames`: every camera frame, in order. `sent_s`: time of its stamp. `answered_s`: time at which its own detections
  arrived; null if they never did. `counted`. `delay_s`: delay as the testbed counts it, see
  :func:`.delays.frame_delays`; null if the frame is not counted.
- `arms`: the robot's arm table in its order, the last one `on_device`; empty if the system is not this package. `name`,
  `point`, `camera`, `fidelity`, `robot_s`, `decode_s` as in :class:`neurosurgeon_ros.calibration.arm_table.ArmTable`;
  `features` with `bytes` for a typical camera image, `image_bytes` for an image of the camera's size; `key_bytes` of a
  stream's key, for a typical camera image, 0 if the codec has no memory; `encode_s` on the emulated robot;
  `back_s`, seconds of the back-end with post-processing on one core of this machine.
- `edge`: measured seconds at the edge by arm, over the frames that the edge answered: `frames`, and the medians
  `queue_s`, `decode_s`, `compute_s`, `postprocess_s`, `sent_bytes`.
- `edge_factor`: median of measured `compute_s + postprocess_s` divided by `back_s`, over these frames.
- `on_device_s`: median of the robot's seconds for a frame that it kept by choice.
- `decisions`: the fields of :class:`neurosurgeon_ros.diagnostics.records.SeenDecision` for each accepted frame, and
  `frame`, the index in `frames`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.calibration.admission import Admission, expand
from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable
from neurosurgeon_ros.calibration.fidelity import find_fidelity
from neurosurgeon_ros.calibration.kept_delays import KeptDelays
from neurosurgeon_ros.calibration.table_builder import TableBuilder
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.simulation.link_files import ROW_S
from testbed.forwarder import Counts
from testbed.machine import on_cores
from testbed.run import Seen, Setting
from testbed.scenario import Scenario
from testbed.systems import System

FORMAT = 1
_EDGE = ("queue", "decode", "compute", "postprocess")


def robot_arms(engine: Engine, setting: Setting) -> ArmTable:
    """Return the arm table that the robot node has made at its start, from the delays that it keeps in the cache."""
    parameters = RobotParameters()
    builder = TableBuilder(engine, speed=setting.robot_speed, threads=1, kept=KeptDelays(is_as_fast=lambda *_: True))
    fidelity = find_fidelity(engine.fingerprint)
    admission = Admission(min_fidelity=parameters.min_fidelity, fidelity=fidelity)
    with on_cores(setting.cores.robot):
        return builder.build(expand(parameters.codecs, fidelity), admission, parameters.fidelity_price_ms / 1e3)


def write_record(
    folder: Path,
    system: System,
    scenario: Scenario,
    setting: Setting,
    seen: Seen,
    counts: Counts,
    table: ArmTable | None,
    pixels: int,
) -> None:
    """
    Write run.json.

    :param folder: folder of the run, in which the camera has written what it saw.
    :param table: the robot's arm table; None if the system is not this package.
    :param pixels: number of pixels of a camera image.
    """
    trace = scenario.trace
    assert trace is not None
    camera = json.loads((folder / "camera.json").read_text(encoding="utf-8"))
    arms = [] if table is None else arms_of(table, setting.robot_speed, pixels)
    content = {
        "format": FORMAT,
        "system": system.name,
        "policy": system.policy,
        "model": setting.model,
        "robot_speed": setting.robot_speed,
        "camera_hz": scenario.camera_hz,
        "warm_up": camera["warm_up"],
        "link": {
            "name": trace.name,
            "row_s": ROW_S,
            "mbps": trace.mbps,
            "usual_mbps": trace.usual_mbps,
            "queue_bytes": trace.queue_bytes,
            **asdict(counts),
        },
        "frames": frames_of(camera, seen.delays_s, seen.trace_s),
        "arms": arms,
        **measured(camera["decisions"], arms),
        "decisions": camera["decisions"],
    }
    write_text_atomically(folder / "run.json", json.dumps(finite(content)) + "\n")


def frames_of(camera: Mapping[str, Any], delays_s: Sequence[float], begin_s: float) -> list[dict[str, Any]]:
    """
    Return `frames` of the record.

    :param camera: content of camera.json.
    :param delays_s: delays of the counted frames.
    :param begin_s: monotonic time at which the recorded link began.
    """
    uncounted = camera["warm_up"]
    return [
        {
            "sent_s": frame["sent_s"] - begin_s,
            "answered_s": frame["answered_s"] - begin_s if "answered_s" in frame else None,
            "counted": index >= uncounted,
            "delay_s": delays_s[index - uncounted] if index >= uncounted else None,
        }
        for index, frame in enumerate(camera["frames"])
    ]


def measured(decisions: Sequence[Mapping[str, Any]], arms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return `edge`, `edge_factor` and `on_device_s` of the record.

    :param decisions: see the module.
    :param arms: `arms` of the record.
    """
    by_arm: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in decisions:
        if one["outcome"] == "edge" and math.isfinite(one["edge_compute_delay"]):
            by_arm[one["arm"]].append(one)
    edge = {
        arm: {
            "frames": len(seen),
            **{f"{step}_s": float(np.median([one[f"edge_{step}_delay"] for one in seen])) for step in _EDGE},
            "sent_bytes": float(np.median([one["sent_bytes"] for one in seen])),
        }
        for arm, seen in by_arm.items()
    }
    back_s = {arm["name"]: arm["back_s"] for arm in arms}
    factors = [
        (one["edge_compute_delay"] + one["edge_postprocess_delay"]) / back_s[arm]
        for arm, seen in by_arm.items()
        for one in seen
        if back_s.get(arm)
    ]
    kept = [
        sum(one[f"{stage}_delay"] for stage in ("preprocess", "front_end", "finish") if one[f"{stage}_delay"] > 0.0)
        for one in decisions
        if one["outcome"] == "on_device"
    ]
    return {
        "edge": edge,
        "edge_factor": float(np.median(factors)) if factors else None,
        "on_device_s": float(np.median(kept)) if kept else None,
    }


def finite(value: Any) -> Any:
    """Return a JSON value in which null stands for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(one) for one in value]
    return value


def arms_of(table: ArmTable, speed: float, pixels: int) -> list[dict[str, Any]]:
    """
    Return `arms` of the record.

    :param speed: speed of the emulated robot as a fraction of one core.
    :param pixels: number of pixels of a camera image.
    """
    profile = table.profile
    share = pixels / CUSTOMARY_PIXELS
    made = []
    for index, arm in enumerate(table.arms):
        point, camera = int(table.point[index]), bool(table.camera[index])
        sent_bytes = float(table.features[index, PSI])
        rest_s = float(profile.front_s[-1] - profile.front_s[point])
        made.append(
            {
                "name": arm.name,
                "point": point,
                "camera": camera,
                "fidelity": float(table.fidelity[index]),
                "robot_s": float(table.robot_s[index]),
                "features": table.features[index].tolist(),
                "bytes": sent_bytes,
                "image_bytes": sent_bytes * share if camera else sent_bytes,
                "key_bytes": float(table.key_bytes[index]),
                "encode_s": float(profile.encode_s[index]) / speed,
                "decode_s": float(table.decode_s[index]),
                "back_s": 0.0 if index == table.on_device else rest_s + profile.postprocess_s,
            }
        )
    return made
