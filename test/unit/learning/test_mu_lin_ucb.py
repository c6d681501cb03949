# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""muLinUCB: a worked example, each of its rules, and the regimes of a real robot."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation
from neurosurgeon_ros.learning.mu_lin_ucb import MuLinUcb
from neurosurgeon_ros.learning.phases import phase

CONV, PSI = FEATURES.index("conv_macs"), FEATURES.index("psi")
ON_DEVICE = 2


def context(frame: int, *, key_frame: bool = False, on_device_s: float = 2.0) -> Context:
    """Return three arms: x = (1, 1), x = (1, 0) and on_device, in the columns conv_macs and psi."""
    features = np.zeros((3, len(FEATURES)))
    features[0, [CONV, PSI]] = 1.0
    features[1, CONV] = 1.0
    return Context(
        frame=frame,
        robot_s=np.array([0.0, 0.5, on_device_s]),
        features=features,
        decode_s=np.zeros(3),
        point=np.arange(3),
        allowed=np.ones(3, dtype=bool),
        on_device=ON_DEVICE,
        key_frame=key_frame,
    )


def frame_observation(arm: int, sequence: int, offload_s: float) -> Observation:
    return Observation(arm=arm, sequence=sequence, kind=Kind.FRAME, offload_s=offload_s)


def literal(**options: float) -> MuLinUcb:
    """Return the paper's form in seconds, with alpha = 0.5 / (1 - 0.5) = 1 and every fourth frame forced."""
    settings = {"c_theta": 0.5, "c_noise": 0.0, "weight_key": 0.5, "weight_other": 0.0, "mu": 0.5} | options
    return MuLinUcb(n_arms=3, horizon=16, scale_features=False, delay_unit_s=1.0, **settings)


def test_worked_example_of_five_frames() -> None:
    """Each row: key frame, expected arm, observed delay; A, b and theta computed by hand (columns conv, psi)."""
    policy = literal()
    rows = [
        # index: -sqrt(2), 0.5 - 1, 2
        (False, 0, 4.0, [[2, 1], [1, 2]], [4, 4], [4 / 3, 4 / 3]),
        # index: 8/3 - sqrt(1/3), 0.5 + 4/3 - sqrt(1/3), 2
        (True, 1, 1.0, [[3, 1], [1, 2]], [5, 4], [6 / 5, 7 / 5]),
        # index: 13/5 - sqrt(3/5), 0.5 + 6/5 - sqrt(2/5), 2
        (False, 1, 10.0, [[4, 1], [1, 2]], [15, 4], [26 / 7, 1 / 7]),
        # index: 27/7 - sqrt(4/7) = 3.10, 0.5 + 26/7 - sqrt(2/7) = 3.68, 2; forced sampling excludes on_device
        (False, 0, 3.0, [[5, 2], [2, 3]], [18, 7], [40 / 11, -1 / 11]),
        # index: 39/11 - sqrt(2/11) = 3.12, 0.5 + 40/11 - sqrt(3/22) = 3.77, 2; nothing is observed
        (True, ON_DEVICE, None, [[5, 2], [2, 3]], [18, 7], [40 / 11, -1 / 11]),
    ]
    for frame, (key_frame, arm, delay_s, a, b, theta) in enumerate(rows, start=1):
        choice = policy.select(context(frame, key_frame=key_frame))
        assert choice.arm == arm
        assert choice.forced == (frame == 4)
        if delay_s is not None:
            policy.observe(frame_observation(arm, frame, delay_s), context(frame, key_frame=key_frame))
        used = np.ix_([CONV, PSI], [CONV, PSI])
        np.testing.assert_allclose(policy.ridge.a[used], a)
        np.testing.assert_allclose(policy.ridge.a_inverse[used], np.linalg.inv(a))
        np.testing.assert_allclose(policy.ridge.b[[CONV, PSI]], b)
        np.testing.assert_allclose(policy.ridge.theta[[CONV, PSI]], theta)


def test_choice_reports_expectation_and_lower_bound() -> None:
    policy = literal()
    first = policy.select(context(1))
    assert math.isnan(first.predicted_offload_s)
    assert first.optimistic_offload_s == 0.0
    policy.observe(frame_observation(0, 1, 4.0), context(1))
    second = policy.select(context(2, key_frame=True))
    assert second.predicted_offload_s == pytest.approx(4 / 3)
    assert second.optimistic_offload_s == pytest.approx(4 / 3 - math.sqrt(1 / 3))


def test_alpha_is_the_papers() -> None:
    policy = MuLinUcb(n_arms=3)
    policy.select(context(1))
    # C_x = 2, the largest squared norm; (1 + 0.05 sqrt(7 ln((1 + 200 * 4) / 0.1))) / 0.2
    assert policy.alpha(200) == pytest.approx((1 + 0.05 * math.sqrt(7 * math.log(8010))) / 0.2)


def test_phases_double_and_forced_sampling_thins_out() -> None:
    policy = MuLinUcb(n_arms=3)
    assert [phase(frame, horizon=0, first_phase=200) for frame in (1, 200, 201, 600, 601)] == [
        (200, 1),
        (200, 200),
        (400, 1),
        (400, 400),
        (800, 1),
    ]
    forced = [frame for frame in range(1, 1401) if policy.select(context(frame, on_device_s=-1e3)).forced]
    # ceil(200^0.25) = 4, ceil(400^0.25) = 5, ceil(800^0.25) = 6
    assert forced[:3] == [4, 8, 12]
    assert [f for f in forced if 200 < f < 212] == [205, 210]
    assert [f for f in forced if 600 < f < 615] == [606, 612]


def test_known_horizon_has_one_phase() -> None:
    assert phase(999, horizon=1000, first_phase=200) == (1000, 999)


def test_forced_sampling_yields_to_what_is_allowed() -> None:
    policy = literal()
    alone = dataclasses.replace(context(4), allowed=np.array([False, False, True]))
    choice = policy.select(alone)
    assert choice.arm == ON_DEVICE
    assert not choice.forced


@pytest.mark.parametrize(
    "observation",
    [
        dataclasses.replace(frame_observation(0, 1, 4.0), censored=True),
        dataclasses.replace(frame_observation(0, 1, 4.0), kind=Kind.SAMPLE),
        Observation(arm=-1, sequence=1, kind=Kind.PROBE, offload_s=0.1),
        frame_observation(0, 1, float("nan")),
        frame_observation(ON_DEVICE, 1, 0.1),
    ],
    ids=["censored", "sample", "probe", "not measured", "on_device"],
)
def test_learns_from_delays_of_frames_at_the_edge_alone(observation: Observation) -> None:
    policy = literal()
    policy.select(context(1))
    policy.observe(observation, context(1))
    assert policy.ridge.count == 0


def test_late_answer_counts_with_the_features_it_was_chosen_with() -> None:
    policy = literal()
    policy.select(context(1))
    changed = context(2)
    changed.features[0] *= 3.0
    policy.select(changed)
    policy.observe(dataclasses.replace(frame_observation(0, 1, 1.0), censored=True), context(1))
    policy.observe(frame_observation(0, 1, 4.0), context(1))
    np.testing.assert_allclose(policy.ridge.a[np.ix_([CONV, PSI], [CONV, PSI])], [[2, 1], [1, 2]])


def test_rank_one_updates_stay_the_inverse() -> None:
    policy = literal()
    rng = np.random.default_rng(5)
    for _ in range(500):
        policy.ridge.update(rng.random(len(FEATURES)), rng.random())
    np.testing.assert_allclose(policy.ridge.a_inverse @ policy.ridge.a, np.eye(len(FEATURES)), atol=1e-9)
