# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's own rules in the simulator: slot, deadline, hedged execution and codecs."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Kind, Observation
from neurosurgeon_ros.robot.arm_statistics import DEADLINE_FACTOR
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.arms.known_table import arm_table
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.policies import simulated_policy
from neurosurgeon_ros.simulation.simulate import simulate
from neurosurgeon_ros.simulation.table import NetworkTable

#: Seconds of `on_device`, and of the arm `pool` on the robot before it sends 10 kB.
WHOLE_S, FRONT_S = 0.06, 0.03


def environment(frames: int = 10, **changes: object) -> Environment:
    """
    Return an environment with a camera of 10 Hz and a link of 8 Mbit/s, which is 1 MB/s.

    The arms send 50 kB at once (50 ms), send 10 kB after 30 ms (10 ms), and take 60 ms on the device. The edge takes 5
    and 2 ms, and the round trip 1 ms. The derived deadline is 100 ms.
    """
    features = np.zeros((3, len(FEATURES)))
    features[:, FEATURES.index("psi")] = [50_000, 10_000, 0]
    made = Environment(
        table=NetworkTable("net", ("input", "pool", "on_device"), features, np.zeros(3), np.zeros(3)),
        robot_s=np.array([0.0, FRONT_S, WHOLE_S]),
        compute_s=np.array([0.005, 0.002, 0.0]),
        transmission_factor=np.ones(3),
        round_trip_s=0.001,
        mbps=np.array([8.0]),
        slowdown=np.ones(frames),
        queue_s=np.zeros(frames),
        key_frames=np.zeros(frames, dtype=bool),
        noise=Noise(sd=0.0),
        seed=0,
        row_s=0.1,
    )
    return dataclasses.replace(made, **changes)


class Scripted:
    """A policy that chooses as scripted, then stays on the device, and records its contexts and observations."""

    def __init__(self, *script: Choice) -> None:
        self.script = list(script)
        self.contexts: list[Context] = []
        self.seen: list[Observation] = []

    def select(self, context: Context) -> Choice:
        self.contexts.append(context)
        return self.script.pop(0) if self.script else Choice(arm=context.on_device)

    def observe(self, observation: Observation, context: Context) -> None:
        self.seen.append(observation)


def test_a_busy_robot_takes_the_latest_image_and_drops_those_before_it() -> None:
    """A frame takes 250 ms. At 250 ms, the robot accepts the image of 200 ms, which has waited for 50 ms."""
    run = simulate_robot(Scripted(), environment(4, robot_s=np.array([0.0, 0.03, 0.25])))
    np.testing.assert_allclose(run.starts_s, [0.0, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(run.waited_s, [0.0, 0.05, 0.0, 0.05], atol=1e-12)
    np.testing.assert_allclose(run.delay_s, [0.25, 0.3, 0.25, 0.3])
    np.testing.assert_allclose(run.cost_s, 0.25)
    assert run.dropped == 4, "of the images at 0 to 700 ms, four were accepted"


@settings(deadline=None)
@given(whole_s=st.floats(0.01, 1.0), period_s=st.floats(0.02, 0.5))
def test_every_image_is_accepted_dropped_or_still_to_come(whole_s: float, period_s: float) -> None:
    one = environment(30, robot_s=np.array([0.0, 0.0, whole_s]), period_s=period_s)
    run = simulate_robot(Scripted(), one)
    arrived = np.round((run.starts_s - run.waited_s) / period_s).astype(int)
    assert (np.diff(arrived) > 0).all(), "never an older image after a newer one"
    assert run.dropped == arrived[-1] + 1 - len(arrived)
    assert (run.waited_s < period_s * (1 + 1e-6)).all(), "the slot holds the latest image"


def test_the_context_is_the_robots() -> None:
    policy = Scripted()
    simulate_robot(policy, environment(4, robot_s=np.array([0.0, 0.03, 0.25])))
    assert [one.waited_s for one in policy.contexts] == pytest.approx([0.0, 0.05, 0.0, 0.05])
    assert [one.period_s for one in policy.contexts] == pytest.approx([0.0, 0.1, 0.1, 0.1])
    assert policy.contexts[0].deadline_s == pytest.approx(DEADLINE_FACTOR * 0.25)


@pytest.mark.parametrize(("whole_s", "deadline_s"), [(WHOLE_S, 0.1), (0.09, 0.135)], ids=["period", "on device"])
def test_the_robot_derives_the_deadline_and_counts_it_from_the_images_arrival(
    whole_s: float, deadline_s: float
) -> None:
    one = environment(6, robot_s=np.array([0.0, FRONT_S, whole_s]), mbps=np.array([0.001]))
    policy = Scripted(Choice(arm=2), Choice(arm=2), Choice(arm=1))
    run = simulate_robot(policy, one)
    assert policy.contexts[2].deadline_s == pytest.approx(deadline_s)
    assert run.waited_s[2] == 0.0
    assert run.delay_s[2] == pytest.approx(deadline_s + whole_s - FRONT_S)
    missed = next(seen for seen in policy.seen if seen.censored)
    assert missed.offload_s == pytest.approx(deadline_s - FRONT_S)
    # The next image has already arrived, and a part of its deadline has passed.
    assert policy.contexts[3].waited_s == pytest.approx((run.delay_s[2] - 0.1) % 0.1)


def test_a_given_deadline_takes_the_place_of_the_robots() -> None:
    policy = Scripted(Choice(arm=1))
    run = simulate_robot(policy, environment(2, deadline_s=0.05, mbps=np.array([0.001])))
    assert policy.contexts[0].deadline_s == 0.05
    assert run.delay_s[0] == pytest.approx(0.05 + WHOLE_S - FRONT_S)


@pytest.mark.parametrize(
    ("mbps", "overdue_s", "delay_s", "arms_seen"),
    [
        (8.0, math.inf, 0.043, [False]),
        (8.0, 0.005, 0.043, [False]),
        (0.8, 0.02, FRONT_S + 0.02 + WHOLE_S - FRONT_S, [True]),
        (0.8, math.inf, 0.1 + WHOLE_S - FRONT_S, [True]),
    ],
    ids=["in time", "answer while the robot works", "robot is first", "deadline"],
)
def test_the_first_result_counts(mbps: float, overdue_s: float, delay_s: float, arms_seen: list[bool]) -> None:
    policy = Scripted(Choice(arm=2), Choice(arm=2), Choice(arm=1, overdue_s=overdue_s))
    run = simulate_robot(policy, environment(4, mbps=np.array([mbps])))
    assert run.delay_s[2] == pytest.approx(delay_s)
    assert [seen.censored for seen in policy.seen if seen.sequence == 3][:1] == arms_seen


def test_what_oracle_is_told_is_what_an_arm_then_costs() -> None:
    for mbps in (8.0, 1.0, 0.2, 0.001):
        for arm in range(3):
            one = environment(1, mbps=np.array([mbps]), coding=coding())
            run = simulate_robot(Scripted(Choice(arm=arm)), one)
            oracle = simulate_robot(simulated_policy("oracle", one), one)
            assert oracle.cost_s[0] <= run.cost_s[0] + 1e-12
            assert run.best_s[0] == pytest.approx(oracle.cost_s[0])


def coding(**changes: object) -> Coding:
    """Return codecs with which encoding takes 10 of the 30 ms of `pool`, which loses 4 % fidelity at 0.5 ms per 1 %."""
    made = Coding(
        np.array([0, 1, 2]), np.array([0.0, 0.01, 0.0]), np.array([0.0, 0.003, 0.0]), np.array([1.0, 0.96, 1.0]), 0.5e-3
    )
    return dataclasses.replace(made, **changes)


def test_codecs_cost_encoding_decoding_and_fidelity() -> None:
    policy = Scripted(Choice(arm=1))
    run = simulate_robot(policy, environment(2, coding=coding()))
    assert run.delay_s[0] == pytest.approx(0.046), "30 ms, 10 on the link, 3 + 2 at the edge, and the way"
    assert run.penalty_s[0] == pytest.approx(0.002)
    assert policy.contexts[0].penalty_s == pytest.approx([0.0, 0.002, 0.0])
    assert policy.contexts[0].decode_s == pytest.approx([0.0, 0.003, 0.0])
    (seen,) = (one for one in policy.seen if one.sequence == 1)
    assert (seen.decode_s, seen.compute_s, seen.transmit_s) == pytest.approx((0.003, 0.002, 0.011))
    assert seen.robot_s == pytest.approx(0.03)


def test_a_frame_that_the_robot_finishes_itself_lost_no_fidelity_and_does_not_need_the_encoding_again() -> None:
    run = simulate_robot(
        Scripted(Choice(arm=1)), environment(1, coding=coding(), deadline_s=0.05, mbps=np.array([0.1]))
    )
    assert run.penalty_s[0] == 0.0
    assert run.delay_s[0] == pytest.approx(0.05 + WHOLE_S - (FRONT_S - 0.01))


def test_a_sample_follows_its_frame_and_its_arm_must_be_computed_already() -> None:
    policy = Scripted(Choice(arm=1, sample_arm=0), Choice(arm=0, sample_arm=1))
    run = simulate_robot(policy, environment(4))
    samples = [seen for seen in policy.seen if seen.kind is Kind.SAMPLE]
    assert [(seen.sequence, seen.arm) for seen in samples] == [(1, 0)]
    assert run.sample_bytes == 50_000
    assert run.delay_s[:2] == pytest.approx([0.043, 0.056])


def test_images_have_their_own_bytes_and_the_robot_learns_them() -> None:
    content = np.array([1.0, 3.0])
    policy = Scripted(Choice(arm=1), Choice(arm=1), Choice(arm=1))
    run = simulate_robot(policy, environment(4, coding=coding(content=content)))
    assert run.delay_s[:3] == pytest.approx([0.046, 0.066, 0.046]), "10 or 30 kB"
    psi = [float(context.features[1, FEATURES.index("psi")]) for context in policy.contexts]
    assert psi == pytest.approx([10_000, 10_000, 14_000, 13_200])


def test_the_robot_may_know_other_seconds_than_the_truth() -> None:
    one = environment(2, coding=coding())
    known = dataclasses.replace(arm_table(one), robot_s=np.array([0.0, 0.02, 0.3]))
    policy = Scripted(Choice(arm=2))
    run = simulate_robot(policy, dataclasses.replace(one, coding=coding(known=known)))
    assert policy.contexts[0].robot_s == pytest.approx([0.0, 0.02, 0.3])
    assert policy.contexts[0].deadline_s == pytest.approx(DEADLINE_FACTOR * 0.3)
    assert run.delay_s[0] == pytest.approx(WHOLE_S)


def test_a_robot_that_is_busy_after_a_result_takes_the_next_image_later() -> None:
    run = simulate_robot(Scripted(), environment(3, after_s=0.05))
    np.testing.assert_allclose(run.waited_s, [0.0, 0.01, 0.02], atol=1e-12)
    np.testing.assert_allclose(run.delay_s, [0.06, 0.07, 0.08])


def test_a_frame_queues_at_the_edge_behind_its_robots_sample() -> None:
    """A sample is sent at 33 ms and takes 100 ms at the edge. The next frame reaches the edge at 81 ms and waits."""
    policy = Scripted(Choice(arm=1, sample_arm=0), Choice(arm=1), Choice(arm=2))
    one = environment(4, compute_s=np.array([0.1, 0.002, 0.0]), deadline_s=1.0, mbps=np.array([8000.0]), period_s=0.05)
    run = simulate_robot(policy, one)
    sample_done_s = 0.033 + 5e-5 + 1e-5 + 0.001 + 0.1
    assert run.starts_s[1] + run.delay_s[1] == pytest.approx(sample_done_s + 0.002, abs=1e-3)
    seen = next(one for one in policy.seen if one.sequence == 2)
    assert seen.queue_s == pytest.approx(sample_done_s - 0.081, abs=1e-3)


def test_the_judged_rules_know_no_codecs() -> None:
    with pytest.raises(ValueError, match="use simulate_robot"):
        simulate(Scripted(), environment(coding=coding()))
