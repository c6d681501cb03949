# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms with memory in the simulator, and the best plan: against every sequence of arms, and its bounds."""

from __future__ import annotations

import dataclasses
from itertools import product

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, FloatArray, Observation
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.as_robot import simulate_robot
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.simulate import Run
from neurosurgeon_ros.simulation.streams.bytes import StreamBytes
from neurosurgeon_ros.simulation.streams.plan import best_plan
from neurosurgeon_ros.simulation.table import NetworkTable

#: Bytes of a frame whose codec has no memory, and of keys and later frames of two streams, for gaps of 0.1 and 0.4 s.
PLAIN, KEYS, LATER = 30_000.0, (50_000.0, 20_000.0), ((4_000.0, 12_000.0), (8_000.0, 9_000.0))
ARMS = ("input/plain", "input/fine", "pool/coarse", "on_device")


def environment(mbps: FloatArray, frames: int, *, restarts_s: tuple[float, ...] = (), **changes: object) -> Environment:
    """Return a robot that takes 60 ms for the network, with an image each 100 ms, and a link with a rate for each."""
    features = np.zeros((4, len(FEATURES)))
    features[:, FEATURES.index("psi")] = [PLAIN, LATER[0][0], LATER[1][0], 0.0]
    robot_s = np.array([0.002, 0.004, 0.015, 0.06])
    later_bytes = np.zeros((4, 2))
    later_bytes[1:3] = LATER
    streams = StreamBytes(np.array([0.0, *KEYS, 0.0]), np.array([0.1, 0.4]), later_bytes, restarts_s)
    coding = Coding(
        point=np.array([0, 0, 1, 2]),
        encode_s=np.array([0.001, 0.003, 0.002, 0.0]),
        decode_s=np.array([0.001, 0.002, 0.001, 0.0]),
        fidelity=np.array([1.0, 0.99, 0.96, 1.0]),
        fidelity_price_s=0.5e-3,
        streams=streams,
    )
    made = Environment(
        table=NetworkTable("net", ARMS, features, robot_s, np.zeros(4)),
        robot_s=robot_s,
        compute_s=np.array([0.006, 0.006, 0.003, 0.0]),
        transmission_factor=np.ones(4),
        round_trip_s=0.002,
        mbps=mbps,
        slowdown=np.ones(frames),
        queue_s=np.zeros(frames),
        key_frames=np.zeros(frames, dtype=bool),
        noise=Noise(sd=0.0),
        seed=0,
        row_s=0.1,
        coding=coding,
    )
    return dataclasses.replace(made, **changes)


class Scripted:
    """A policy that chooses as scripted, then stays on the device, and records its contexts and observations."""

    def __init__(self, arms: tuple[int, ...], *, sample: tuple[int, int] = (-1, -1)) -> None:
        self._arms, self._sample = arms, sample
        self.contexts: list[Context] = []
        self.seen: list[Observation] = []

    def select(self, context: Context) -> Choice:
        self.contexts.append(context)
        k = context.frame - 1
        sample = self._sample[1] if k == self._sample[0] else None
        return Choice(self._arms[k] if k < len(self._arms) else 3, sample_arm=sample, overdue_s=0.0)

    def observe(self, observation: Observation, context: Context) -> None:
        self.seen.append(observation)


def cost_s(run: Run) -> float:
    return float((run.delay_s + run.penalty_s).sum())


def sizes(one: Environment, *arms: int, sample: tuple[int, int] = (-1, -1)) -> list[int]:
    policy = Scripted(arms, sample=sample)
    simulate_robot(policy, one)
    in_order = sorted(policy.seen, key=lambda seen: (seen.sequence, seen.kind))
    return [seen.sent_bytes for seen in in_order if seen.arm < 3]


def test_the_first_frame_of_a_stream_is_a_key_and_the_later_ones_grow_with_their_gap() -> None:
    sent = sizes(environment(np.array([400.0]), 8), 1, 1, 3, 1, 3, 3, 3, 1)
    assert sent[:2] == [50_000, 4_000]
    assert sent[2] == pytest.approx(8_000), "0.2 s are half way between 0.1 and 0.4 s in the logarithm"
    assert sent[3] == 12_000


def test_a_stream_that_was_left_for_over_five_seconds_begins_again() -> None:
    script = (1, *(3,) * 49, 1, *(3,) * 50, 1)
    assert sizes(environment(np.array([400.0]), 110), *script) == [50_000, 12_000, 50_000]


def test_each_arm_has_its_own_stream() -> None:
    assert sizes(environment(np.array([400.0]), 4), 1, 2, 1, 2) == [50_000, 20_000, 8_000, 8_500]


def test_an_edge_that_restarts_has_lost_every_reference() -> None:
    assert sizes(environment(np.array([400.0]), 4, restarts_s=(0.15,)), 1, 1, 1, 1) == [50_000, 4_000, 50_000, 4_000]


def test_a_late_answer_keeps_its_stream_and_a_message_that_was_given_up_breaks_it() -> None:
    """The key takes 0.4 s at 1 Mbit/s, so the next four frames stay on the robot, and then it is there."""
    late = environment(np.repeat([1.0, 400.0], [5, 1]), 8)
    sent = sizes(late, 1, 1, 1, 1, 1, 1, 1)
    assert sent == [50_000, 50_000, 12_000, 4_000], "the bound of its frame, then its answer"
    lost = environment(np.repeat([0.01, 400.0], [20, 1]), 40)
    policy = Scripted((1,) * 40)
    simulate_robot(policy, lost)
    keys = [context.frame for context in policy.contexts if np.any(context.key_bytes)]
    assert 2 in keys and len(keys) > 2, "a key is due again once the first one was given up"


def test_a_sample_has_the_bytes_of_a_key_and_changes_no_stream() -> None:
    one = environment(np.array([400.0]), 4)
    assert sizes(one, 1, 2, 1, sample=(1, 1)) == [50_000, 20_000, 50_000, 8_000]
    assert sizes(one, 3, 1, sample=(0, 1)) == [50_000, 50_000], "the frame after it is still the first of its stream"


def test_the_context_says_what_a_key_would_add() -> None:
    policy = Scripted((1, 3))
    simulate_robot(policy, environment(np.array([400.0]), 3))
    first, second = policy.contexts[0].key_bytes, policy.contexts[1].key_bytes
    np.testing.assert_allclose(first, [0.0, 46_000, 12_000, 0.0])
    assert np.asarray(second)[1] == 0.0 and np.asarray(second)[2] == 12_000
    np.testing.assert_allclose(policy.contexts[1].sample_key_bytes, [0.0, 46_000, 12_000, 0.0])


@pytest.mark.parametrize(
    ("mbps", "restarts_s"),
    [(np.array([2.0, 8.0, 1.0, 30.0, 4.0]), ()), (np.array([0.9, 1.5, 0.7, 1.1, 0.0, 1.2]), (0.15,))],
    ids=["wild", "slow, with a restart"],
)
def test_no_sequence_of_arms_costs_less_than_the_plan(mbps: FloatArray, restarts_s: tuple[float, ...]) -> None:
    frames = 4
    one = environment(mbps, frames, restarts_s=restarts_s)
    found = best_plan(one)
    every = min(cost_s(simulate_robot(Scripted(arms), one)) for arms in product(range(4), repeat=frames))
    assert cost_s(simulate_robot(Scripted(tuple(found.arms)), one)) == pytest.approx(found.cost_s)
    assert found.least_s == pytest.approx(found.cost_s) == pytest.approx(every)


def test_a_plan_is_a_bound_where_an_older_reference_makes_a_frame_cheaper() -> None:
    one = environment(np.array([1.0, 3.0, 0.5, 2.0]), 12)
    assert one.coding is not None and one.coding.streams is not None
    cheaper = dataclasses.replace(one.coding.streams, later_bytes=one.coding.streams.later_bytes[:, ::-1])
    found = best_plan(dataclasses.replace(one, coding=dataclasses.replace(one.coding, streams=cheaper)))
    assert 0.0 < found.least_s < found.cost_s


def test_a_robot_that_is_slower_than_its_camera_has_no_plan() -> None:
    with pytest.raises(ValueError, match="a frame may take 0.063 s on the robot, but the plan needs robots that take"):
        best_plan(environment(np.array([8.0]), 4, period_s=0.05))
