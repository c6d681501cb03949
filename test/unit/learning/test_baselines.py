# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""LinUCB, epsilon-greedy and Neurosurgeon."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation
from neurosurgeon_ros.learning.neurosurgeon import Neurosurgeon, layer_profile

CONV, FC, PSI = FEATURES.index("conv_macs"), FEATURES.index("fc_macs"), FEATURES.index("psi")


def context(frame: int, on_device_s: float = 0.3) -> Context:
    features = np.zeros((3, len(FEATURES)))
    features[:2, CONV] = [2e9, 1e9]
    features[:2, FC] = 1e8
    features[:2, PSI] = [600e3, 100e3]
    return Context(
        frame=frame,
        robot_s=np.array([0.0, 0.1, on_device_s]),
        features=features,
        decode_s=np.zeros(3),
        point=np.arange(3),
        allowed=np.ones(3, dtype=bool),
        on_device=2,
        key_frame=False,
        now_s=0.1 * frame,
    )


def test_lin_ucb_stays_on_the_device_where_mu_lin_ucb_escapes() -> None:
    """The edge is slow at first, and fast later. A policy that stays on the device does not observe the change."""
    last = {}
    for name in ("lin_ucb", "mu_lin_ucb"):
        policy = make_policy(name, n_arms=3)
        arms = []
        for frame in range(1, 1001):
            arms.append(policy.select(context(frame)).arm)
            offload_s = (2.0 if frame <= 100 else 0.02) * (1.0, 0.5, 0.0)[arms[-1]]
            if arms[-1] < 2:
                policy.observe(Observation(arms[-1], frame, Kind.FRAME, offload_s), context(frame))
        last[name] = arms[-100:].count(2)
    assert last["lin_ucb"] == 100
    assert last["mu_lin_ucb"] < 20


def test_epsilon_greedy_explores_its_share_and_repeats_with_its_seed() -> None:
    runs = []
    for seed in (1, 1, 2):
        policy = make_policy("epsilon_greedy", n_arms=3, seed=seed, epsilon=0.2)
        choices = []
        for frame in range(1, 501):
            choices.append(policy.select(context(frame)))
            if choices[-1].arm < 2:
                offload_s = (0.05, 0.02)[choices[-1].arm]
                policy.observe(Observation(choices[-1].arm, frame, Kind.FRAME, offload_s), context(frame))
        runs.append([choice.arm for choice in choices])
        assert sum(choice.forced for choice in choices) == pytest.approx(100, abs=30)
        greedy = [choice.arm for choice in choices[100:] if not choice.forced]
        assert greedy.count(0) == len(greedy)
    assert runs[0] == runs[1] != runs[2]


def test_neurosurgeon_measures_the_link_once_and_then_never_learns() -> None:
    policy = Neurosurgeon(n_arms=3, edge_profile=(1e-11, 0, 0, 0, 0, 0))
    first = policy.select(context(1))
    assert first.arm == 2
    assert first.probe_bytes > 0
    assert policy.select(context(2)).probe_bytes == 0
    policy.observe(Observation(-1, 1, Kind.PROBE, 0.01, transmit_s=0.01, sent_bytes=100_000), context(1))
    chosen = policy.select(context(3))
    assert chosen.arm == 0
    assert chosen.predicted_offload_s == pytest.approx(600e3 / 10e6 + 0.02)
    policy.observe(Observation(0, 3, Kind.FRAME, 9.0, transmit_s=9.0), context(3))
    policy.observe(Observation(-1, 3, Kind.PROBE, 9.0, transmit_s=9.0, sent_bytes=100_000), context(3))
    assert policy.select(context(4)) == chosen


def test_neurosurgeon_probes_again_if_the_first_probe_is_lost() -> None:
    policy = Neurosurgeon(n_arms=3)
    probed = [frame for frame in range(1, 120) if policy.select(context(frame)).probe_bytes]
    assert probed == [1, 51, 101]


def test_neurosurgeon_waits_for_an_edge() -> None:
    policy = Neurosurgeon(n_arms=3)
    alone = dataclasses.replace(context(1), allowed=np.array([False, False, True]), edge_available=False)
    assert policy.select(alone).probe_bytes == 0
    assert policy.select(context(2)).probe_bytes > 0


def test_neurosurgeon_takes_the_robots_own_profile_where_it_has_none() -> None:
    """The robot takes 0.3 and 0.2 s for the rest of the network; an edge five times as fast takes a fifth of that."""
    choice = Neurosurgeon(n_arms=3, edge_speedup=5.0, mbps=80.0).select(context(1))
    assert choice.arm == 0
    assert choice.predicted_offload_s == pytest.approx(600e3 / 10e6 + 0.3 / 5.0)


def test_layer_profile_finds_what_layers_cost() -> None:
    rng = np.random.default_rng(0)
    features = np.cumsum(rng.random((20, len(FEATURES))), axis=0)[::-1] * [1e9, 1e8, 1e6, 1, 1, 1, 1e6]
    true = np.array([2e-12, 8e-12, 0.0, 1e-4, 0.0, 5e-5])
    found = layer_profile(features, features[:, :6] @ true)
    np.testing.assert_allclose(features[:, :6] @ found, features[:, :6] @ true, rtol=1e-6)


@pytest.mark.parametrize("profile", [(1.0,), (-1.0, 0, 0, 0, 0, 0)])
def test_neurosurgeon_refuses_a_profile_that_cannot_be(profile: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="policy option edge_profile"):
        Neurosurgeon(n_arms=3, edge_profile=profile)
