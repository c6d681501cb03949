# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The comparison of a run with its simulation, for runs that the simulator itself made."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from agreement_with_simulator import Agreement, compare
from run_records import camera_record, read_record
from testbed.trace_record import arms_of

from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.simulation.arms.codec_files import codec_table
from neurosurgeon_ros.simulation.arms.environment import codec_environment
from neurosurgeon_ros.simulation.arms.known_table import arm_table
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.policies import simulated_policy
from neurosurgeon_ros.simulation.processes import ConstantLink

POLICY, WARM_UP, IMAGES = "adaptive_mu_lin_ucb", 20, 220
#: Rates of the link in Mbit/s per 100 ms: 4 s each of a good and a bad link in turn. The first rate also holds before.
MBPS = np.repeat([20.0, 0.5, 20.0, 0.5, 20.0], 40)
STEPS = ("slot", "preprocess", "front_end", "encode", "offload", "transmit", "finish", "total")
EDGE_STEPS = ("queue", "decode", "compute", "postprocess")


def environment() -> Environment:
    made = codec_environment(
        codec_table("yolov3_tiny"), ConstantLink(1.0), robot_gmacs=60.0, frames=IMAGES, noise=Noise(sd=0.01)
    )
    return replace(made, mbps=np.concatenate([np.full(WARM_UP, MBPS[0]), MBPS]), row_s=0.1)


def written(folder: Path) -> Environment:
    """Simulate a robot, write the camera.json that the testbed would write, and return the environment."""
    one = environment()
    coding = one.coding
    assert coding is not None
    run = simulate_robot(simulated_policy(POLICY, one, seed=0), one)
    decisions: list[dict[str, Any]] = []
    for k, arm in enumerate(run.arms):
        image = round((run.starts_s[k] - run.waited_s[k]) / one.period_s)
        if image >= IMAGES:
            break
        decision: dict[str, Any] = dict.fromkeys(
            [f"{name}_delay" for name in (*STEPS, *(f"edge_{name}" for name in EDGE_STEPS))], math.nan
        )
        robot_s, busy_s = float(one.robot_s[arm]), float(run.delay_s[k] - run.waited_s[k])
        edge_s = float(one.compute_s[arm] + coding.decode_s[arm])
        decision |= {"frame": image, "sequence": k + 1, "arm": one.table.points[arm], "key_frame": False}
        decision |= {"slot_delay": run.waited_s[k], "front_end_delay": robot_s, "total_delay": run.delay_s[k]}
        decision |= {"outcome": "on_device", "sent_bytes": 0}
        if arm != one.on_device:
            decision |= {"outcome": "edge", "sent_bytes": int(one.table.sent_bytes[arm]), "edge_queue_delay": 0.0}
            decision |= {"edge_decode_delay": coding.decode_s[arm], "edge_compute_delay": one.compute_s[arm]}
            decision |= {"encode_delay": coding.encode_s[arm], "front_end_delay": robot_s - coding.encode_s[arm]}
            decision |= {"offload_delay": busy_s - robot_s, "transmit_delay": busy_s - robot_s - edge_s}
            if run.penalty_s[k] == 0.0 and coding.penalty_s[arm] > 0.0:
                decision |= {"outcome": "fallback", "transmit_delay": math.nan}
        decisions.append(decision)
    frames = [{"video_frame": image, "sent_s": 5.0 + image * one.period_s} for image in range(IMAGES)]
    seen = {"warm_up": WARM_UP, "frames": frames, "decisions": decisions}
    (folder / "camera.json").write_text(json.dumps(seen, default=float), encoding="utf-8")
    return one


def test_a_run_that_follows_the_simulators_rules_agrees_with_it(tmp_path: Path) -> None:
    one = written(tmp_path)
    found = compare(camera_record(tmp_path, name="steps", policy=POLICY, table=arm_table(one), mbps=MBPS))
    assert found.agrees, found
    assert len(found.shares) >= 2
    assert found.shares["on_device"][0] > 0.1
    assert sum(real for real, _ in found.shares.values()) == pytest.approx(1.0)
    assert abs(found.frames[0] - found.frames[1]) <= 0.05 * found.frames[0]


def test_a_robot_that_is_slower_than_its_steps_say_does_not_agree(tmp_path: Path) -> None:
    one = written(tmp_path)
    seen = json.loads((tmp_path / "camera.json").read_text())
    late = [
        one | {"total_delay": 3.0} if one["outcome"] != "fallback" and i % 4 == 0 else one
        for i, one in enumerate(seen["decisions"])
    ]
    (tmp_path / "camera.json").write_text(json.dumps(seen | {"decisions": late}))
    assert not compare(camera_record(tmp_path, name="steps", policy=POLICY, table=arm_table(one), mbps=MBPS)).agrees


def test_a_run_on_a_recorded_link_is_read_from_its_record(tmp_path: Path) -> None:
    one = written(tmp_path)
    table, coding = arm_table(one), one.coding
    assert coding is not None
    seen = json.loads((tmp_path / "camera.json").read_text())
    arms = [
        {
            "name": arm.name,
            "point": arm.point,
            "camera": False,
            "fidelity": table.fidelity[index],
            "robot_s": table.robot_s[index],
            "features": table.features[index].tolist(),
            "bytes": table.features[index, -1],
            "image_bytes": table.features[index, -1],
            "encode_s": coding.encode_s[index],
            "decode_s": coding.decode_s[index],
            "back_s": one.table.back_s[index],
        }
        for index, arm in enumerate(table.arms)
    ]
    link = {"name": "steps", "row_s": 0.1, "mbps": MBPS.tolist(), "usual_mbps": MBPS[0]}
    content: dict[str, Any] = {"format": 1, "system": "default", "policy": POLICY, "warm_up": WARM_UP, "link": link}
    content["frames"] = [{"sent_s": frame["sent_s"] - 5.0 - WARM_UP * 0.1} for frame in seen["frames"]]
    content["decisions"] = [
        {key: None if value != value else value for key, value in one.items()} for one in seen["decisions"]
    ]
    (tmp_path / "run.json").write_text(json.dumps(content | {"arms": arms}, default=float))
    from_record = compare(read_record(tmp_path))
    assert from_record.agrees, from_record
    direct = compare(camera_record(tmp_path, name="steps", policy=POLICY, table=table, mbps=MBPS))
    assert from_record.mean_s == pytest.approx(direct.mean_s, rel=0.05)
    for changes, message in (({"format": 2}, "has format 2"), ({"arms": []}, "which has no arms")):
        (tmp_path / "run.json").write_text(json.dumps(content | {"arms": arms} | changes, default=float))
        with pytest.raises(ValueError, match=message):
            read_record(tmp_path)


def test_a_record_keeps_the_bytes_of_keys_and_older_records_have_none(tmp_path: Path) -> None:
    one = codec_environment(codec_table("yolov3_tiny.fixed"), ConstantLink(1.0), frames=4)
    table = arm_table(one)
    assert table.key_bytes.any()
    arms = arms_of(table, 1.0, CUSTOMARY_PIXELS)
    link = {"name": "steps", "mbps": [1.0], "usual_mbps": 1.0}
    content: dict[str, Any] = {"format": 1, "system": "default", "policy": POLICY, "warm_up": 0, "link": link}
    content |= {"frames": [{"sent_s": 0.1 * k} for k in range(4)], "decisions": []}
    (tmp_path / "run.json").write_text(json.dumps(content | {"arms": arms}))
    np.testing.assert_array_equal(read_record(tmp_path).table.key_bytes, table.key_bytes)
    older = [{key: value for key, value in arm.items() if key != "key_bytes"} for arm in arms]
    (tmp_path / "run.json").write_text(json.dumps(content | {"arms": older}))
    assert not read_record(tmp_path).table.key_bytes.any()


@pytest.mark.parametrize(
    ("shares", "mean_s", "agrees"),
    [
        ({"a": (0.6, 0.65), "b": (0.4, 0.35)}, (0.1, 0.109), True),
        ({"a": (0.6, 0.75), "b": (0.4, 0.25)}, (0.1, 0.1), False),
        ({"a": (1.0, 1.0)}, (0.1, 0.112), False),
        ({"a": (1.0, 1.0)}, (0.1, 0.088), False),
    ],
)
def test_agreement_is_a_tenth(
    shares: dict[str, tuple[float, float]], mean_s: tuple[float, float], agrees: bool
) -> None:
    assert Agreement("steps", shares, mean_s, (100, 100)).agrees is agrees
