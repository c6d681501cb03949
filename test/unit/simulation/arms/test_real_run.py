# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Environments made from real runs: they use the values that a run shows, and the arm table for all others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Observation
from neurosurgeon_ros.simulation.arms.codec_files import codec_table
from neurosurgeon_ros.simulation.arms.environment import codec_environment
from neurosurgeon_ros.simulation.arms.known_table import arm_table
from neurosurgeon_ros.simulation.arms.real_run import RealRun, run_environment
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.environment import Environment
from neurosurgeon_ros.simulation.processes import ConstantLink
from neurosurgeon_ros.simulation.uplink import UplinkByTime

MBPS = np.array([8.0, 16.0, 8.0, 12.0])
#: Factors of the real robot and of its edge on the times of the arm table, the link's cost per byte, the round trip.
SLOWER, EDGE_SLOWER, BYTE_COSTS, WAY_S = 1.1, 1.3, 1.06, 0.004


class InTurn:
    """Chooses the first two arms and `on_device` in turn."""

    def select(self, context: Context) -> Choice:
        return Choice(arm=(0, 1, context.on_device)[context.frame % 3])

    def observe(self, observation: Observation, context: Context) -> None:
        pass


def known(frames: int = 60) -> Environment:
    return codec_environment(codec_table("yolov3_tiny"), ConstantLink(8.0), robot_gmacs=60.0, frames=frames)


def recorded(environment: Environment, mbps: FloatArray, frames: int = 60) -> RealRun:
    """Return the run of a robot that uses two arms and `on_device` in turn, every 250 ms so that no frame waits."""
    uplink, period_s, decisions = UplinkByTime(mbps, 0.1), 0.25, []
    coding, last = environment.coding, environment.on_device
    assert coding is not None
    for frame in range(frames):
        arm = (0, 1, last)[(frame + 1) % 3]
        robot_s = SLOWER * float(environment.robot_s[arm])
        one: dict[str, Any] = dict.fromkeys(("finish_delay", "transmit_delay", "offload_delay"), math.nan)
        one |= dict.fromkeys(("edge_queue_delay", "edge_decode_delay", "edge_compute_delay"), math.nan)
        one |= {"arm": environment.table.points[arm], "sequence": frame + 1, "key_frame": frame % 5 == 0}
        one |= {"slot_delay": 0.0, "preprocess_delay": 0.0, "encode_delay": SLOWER * float(coding.encode_s[arm])}
        one |= {"front_end_delay": robot_s - one["encode_delay"], "edge_postprocess_delay": math.nan}
        one |= {"outcome": "on_device", "sent_bytes": 0, "total_delay": robot_s}
        if arm != last:
            sent, begin_s = int(environment.table.sent_bytes[arm]), frame * period_s + robot_s
            transmit_s = float(uplink.end_s(0, begin_s, BYTE_COSTS * sent)) - begin_s + WAY_S
            decode_s = float(coding.decode_s[arm])
            compute_s = EDGE_SLOWER * float(environment.table.back_s[arm])
            offload_s = transmit_s + decode_s + compute_s
            one |= {"outcome": "edge", "sent_bytes": sent, "transmit_delay": transmit_s, "edge_queue_delay": 0.0}
            one |= {"edge_decode_delay": decode_s, "edge_compute_delay": compute_s, "edge_postprocess_delay": 0.0}
            one |= {"offload_delay": offload_s, "total_delay": robot_s + offload_s}
        decisions.append(one)
    return RealRun(frames, period_s, decisions, range(frames))


def made(mbps: FloatArray = MBPS) -> tuple[RealRun, Environment, Environment]:
    """Return a run, the environment of the arm table, and the environment of the run."""
    environment = known()
    run = recorded(environment, mbps)
    return run, environment, run_environment(run, arm_table(environment), mbps, row_s=0.1, fidelity_price_s=0.5e-3)


def test_observed_arms_have_the_runs_medians_and_others_deviate_as_they_do() -> None:
    _, before, after = made()
    assert after.table.points == before.table.points
    np.testing.assert_allclose(after.robot_s, SLOWER * before.robot_s, rtol=1e-6)
    np.testing.assert_allclose(after.compute_s[:-1], EDGE_SLOWER * before.table.back_s[:-1], rtol=1e-6)
    np.testing.assert_allclose(after.slowdown, 1.0)
    assert after.compute_s[-1] == 0.0
    np.testing.assert_allclose(after.table.sent_bytes, before.table.sent_bytes, rtol=1e-3)


def test_the_link_is_the_one_that_was_set_with_what_bytes_and_messages_cost() -> None:
    _, _, after = made()
    np.testing.assert_array_equal(after.mbps, MBPS)
    assert after.transmission_factor[0] == pytest.approx(BYTE_COSTS, abs=0.011)
    assert after.round_trip_s == pytest.approx(WAY_S, abs=0.002)
    assert after.row_s == 0.1


def test_load_and_bytes_of_each_frame_are_the_runs() -> None:
    environment = known()
    run = recorded(environment, MBPS)
    changed = [
        one | {"edge_compute_delay": 2.0 * one["edge_compute_delay"], "sent_bytes": 3 * one["sent_bytes"]}
        if one["outcome"] == "edge" and k >= 30
        else one
        for k, one in enumerate(run.decisions)
    ]
    half = RealRun(run.images, run.period_s, changed, run.image)
    after = run_environment(half, arm_table(environment), MBPS, row_s=0.1, fidelity_price_s=0.0)
    assert after.slowdown[40:].mean() / after.slowdown[:25].mean() == pytest.approx(2.0, rel=0.05)
    assert after.coding is not None and after.coding.content is not None
    assert after.coding.content[40:].mean() / after.coding.content[:25].mean() == pytest.approx(3.0, rel=0.05)


def test_the_robot_knows_its_arm_table_for_the_cameras_images_and_not_the_run() -> None:
    environment = known()
    table = replace(arm_table(environment), camera=np.arange(len(environment.robot_s)) == 0)
    run = recorded(environment, MBPS)
    after = run_environment(run, table, MBPS, row_s=0.1, fidelity_price_s=0.0, pixels=CUSTOMARY_PIXELS // 2)
    assert after.coding is not None and after.coding.known is not None
    expected = after.coding.known.features[:, FEATURES.index("psi")]
    assert expected[0] == pytest.approx(0.5 * table.features[0, FEATURES.index("psi")])
    np.testing.assert_allclose(expected[1:], table.features[1:, FEATURES.index("psi")])
    np.testing.assert_allclose(after.coding.known.robot_s[1:], environment.robot_s[1:])


def test_time_after_a_result_is_what_waiting_frames_show() -> None:
    environment = known()
    run = recorded(environment, MBPS)
    late = [
        one | {"total_delay": run.period_s + 0.08, "slot_delay": 0.1 if k else 0.0}
        for k, one in enumerate(run.decisions)
    ]
    after = run_environment(
        RealRun(run.images, run.period_s, late, run.image),
        arm_table(environment),
        MBPS,
        row_s=0.1,
        fidelity_price_s=0.0,
    )
    assert after.after_s == pytest.approx(0.02, rel=0.05)


def test_key_frames_are_those_of_the_run() -> None:
    run, _, after = made()
    assert after.key_frames.tolist() == [bool(one["key_frame"]) for one in run.decisions]


def test_the_same_choices_take_as_long_in_the_simulator() -> None:
    run, _, after = made()
    simulated = simulate_robot(InTurn(), after)
    assert simulated.delay_s.mean() == pytest.approx(np.mean([one["total_delay"] for one in run.decisions]), rel=0.02)
    assert [after.table.points[arm] for arm in simulated.arms] == [one["arm"] for one in run.decisions]


@pytest.mark.parametrize(
    ("outcome", "message"), [("edge", "answered by the edge"), ("on_device", "finished on the robot")]
)
def test_a_run_that_shows_too_little_is_refused(outcome: str, message: str) -> None:
    environment = known()
    run = recorded(environment, MBPS)
    kept = [(i, one) for i, one in enumerate(run.decisions) if one["outcome"] != outcome]
    less = RealRun(run.images, run.period_s, [one for _, one in kept], [i for i, _ in kept])
    with pytest.raises(ValueError, match=message):
        run_environment(less, arm_table(environment), MBPS, row_s=0.1, fidelity_price_s=0.0)
