# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""muLinUCB against a worked example, its rules one by one, and the regimes of a real robot."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation
from neurosurgeon_ros.learning.mu_lin_ucb import MuLinUcb

CONV, PSI = FEATURES.index("conv_macs"), FEATURES.index("psi")
ON_DEVICE = 2


def context(frame: int, *, key_frame: bool = False, on_device_s: float = 2.0) -> Context:
    """Three arms: x = (1, 1), x = (1, 0) and on_device, in the columns conv_macs and psi."""
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
    """The paper's form in seconds, with alpha = 0.5 / (1 - 0.5) = 1 and every fourth frame forced."""
    settings = {"c_theta": 0.5, "c_noise": 0.0, "weight_key": 0.5, "weight_other": 0.0, "mu": 0.5} | options
    return MuLinUcb(n_arms=3, horizon=16, scale_features=False, delay_unit_s=1.0, **settings)


def test_worked_example_of_five_frames() -> None:
    """Each row: key frame, arm expected, delay observed, then A, b and theta worked out by hand (columns conv, psi)."""
    policy = literal()
    rows = [
        # index: -sqrt(2), 0.5 - 1, 2
        (False, 0, 4.0, [[2, 1], [1, 2]], [4, 4], [4 / 3, 4 / 3]),
        # index: 8/3 - sqrt(1/3), 0.5 + 4/3 - sqrt(1/3), 2
        (True, 1, 1.0, [[3, 1], [1, 2]], [5, 4], [6 / 5, 7 / 5]),
        # index: 13/5 - sqrt(3/5), 0.5 + 6/5 - sqrt(2/5), 2
        (False, 1, 10.0, [[4, 1], [1, 2]], [15, 4], [26 / 7, 1 / 7]),
        # index: 27/7 - sqrt(4/7) = 3.10, 0.5 + 26/7 - sqrt(2/7) = 3.68, 2; on_device is excluded by force
        (False, 0, 3.0, [[5, 2], [2, 3]], [18, 7], [40 / 11, -1 / 11]),
        # index: 39/11 - sqrt(2/11) = 3.12, 0.5 + 40/11 - sqrt(3/22) = 3.77, 2; nothing is observed
        (True, ON_DEVICE, None, [[5, 2], [2, 3]], [18, 7], [40 / 11, -1 / 11]),
    ]
    for frame, (key_frame, arm, delay_s, a, b, theta) in enumerate(rows, start=1):
        choice = policy.select(context(frame, key_frame=key_frame))
        assert choice.arm == arm
        assert choice.forced == (frame == 4)
        if delay_s is not None:
            policy.observe(frame_observation(arm, frame, delay_s))
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
    policy.observe(frame_observation(0, 1, 4.0))
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
    assert [policy.phase(frame) for frame in (1, 200, 201, 600, 601)] == [
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
    assert MuLinUcb(n_arms=3, horizon=1000).phase(999) == (1000, 999)


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
        frame_observation(0, 77, 4.0),
    ],
    ids=["censored", "sample", "probe", "not measured", "on_device", "never chosen"],
)
def test_learns_from_delays_of_frames_at_the_edge_alone(observation: Observation) -> None:
    policy = literal()
    policy.select(context(1))
    policy.observe(observation)
    assert policy.ridge.count == 0


def test_late_answer_counts_with_the_features_it_was_chosen_with() -> None:
    policy = literal()
    policy.select(context(1))
    changed = context(2)
    changed.features[0] *= 3.0
    policy.select(changed)
    policy.observe(dataclasses.replace(frame_observation(0, 1, 1.0), censored=True))
    policy.observe(frame_observation(0, 1, 4.0))
    np.testing.assert_allclose(policy.ridge.a[np.ix_([CONV, PSI], [CONV, PSI])], [[2, 1], [1, 2]])


def test_rank_one_updates_stay_the_inverse() -> None:
    policy = literal()
    rng = np.random.default_rng(5)
    for _ in range(500):
        policy.ridge.update(rng.random(len(FEATURES)), rng.random())
    np.testing.assert_allclose(policy.ridge.a_inverse @ policy.ridge.a, np.eye(len(FEATURES)), atol=1e-9)


# YOLOv3-tiny on a robot of a fifth of the edge's speed: name, seconds on the robot, at the edge, convolutions left,
# their multiply-accumulates, activations, bytes that travel.
ARMS = {
    "input/uint8": (0.006, 0.036, 13, 2.78e9, 7.5e6, 519_168),
    "pool2/fp32": (0.035, 0.029, 11, 2.51e9, 3.4e6, 1_384_448),
    "pool3/fp32": (0.047, 0.027, 10, 2.31e9, 2.7e6, 692_224),
    "pool4/fp32": (0.057, 0.025, 9, 2.11e9, 2.3e6, 346_112),
    "on_device": (0.180, 0.0, 0, 0.0, 0.0, 0),
}
FP32 = ("pool2/fp32", "pool3/fp32", "pool4/fp32", "on_device")


def regime(names: tuple[str, ...], mbps: float, noise: float, seed: int) -> tuple[str, float]:
    """
    Run 300 frames as the runtime would: one transfer at a time, deadline 1 s, late answers learnt from.

    :return: the arm most chosen in the last half, and the mean relative error of its predicted offloading delays.
    """
    rows = np.array([ARMS[name] for name in names])
    features = np.zeros((len(names), len(FEATURES)))
    features[:, CONV], features[:, FEATURES.index("act_macs")], features[:, PSI] = rows[:, 3], rows[:, 4], rows[:, 5]
    features[:, FEATURES.index("conv_layers")] = rows[:, 2]
    features[:, FEATURES.index("act_layers")] = np.maximum(rows[:, 2] - 2, 0)
    last = len(names) - 1
    policy = make_policy("mu_lin_ucb", n_arms=len(names))
    rng = np.random.default_rng(seed)
    now_s, late, chosen, errors = 0.0, None, [], []
    for frame in range(1, 301):
        if late is not None and late[0] <= now_s:
            policy.observe(late[1])
            late = None
        allowed = np.array([late is None] * last + [True])
        choice = policy.select(
            Context(
                frame=frame,
                robot_s=rows[:, 0],
                features=features,
                decode_s=np.zeros(len(names)),
                point=np.arange(len(names)),
                allowed=allowed,
                on_device=last,
                key_frame=bool(rng.random() < 0.2),
                now_s=now_s,
                deadline_s=1.0,
                link_busy=late is not None,
            )
        )
        arm = choice.arm if rows[choice.arm, 0] + choice.optimistic_offload_s <= 3.0 else last
        chosen.append(arm)
        if arm == last:
            now_s += max(0.1, rows[arm, 0])
            continue
        offload_s = rows[arm, 1] + 0.003 + 8e-6 * rows[arm, 5] / mbps
        offload_s *= max(0.3, 1.0 + noise * rng.standard_normal())
        if frame > 150:
            errors.append(abs(choice.predicted_offload_s - offload_s) / offload_s)
        answer = frame_observation(arm, frame, offload_s)
        if rows[arm, 0] + offload_s > 1.0:
            late = (now_s + rows[arm, 0] + offload_s, answer)
            now_s += 1.0
        else:
            policy.observe(answer)
            now_s += max(0.1, rows[arm, 0] + offload_s)
    counts = np.bincount(chosen[150:], minlength=len(names))
    return names[int(np.argmax(counts))], float(np.mean(errors))


@pytest.mark.parametrize("noise", [0.05, 0.2])
@pytest.mark.parametrize(
    ("names", "mbps", "best"),
    [(tuple(ARMS), 1600.0, "input/uint8"), (FP32, 50.0, "pool4/fp32"), (tuple(ARMS), 4.0, "on_device")],
    ids=["without a limit", "50 Mbit/s", "4 Mbit/s"],
)
def test_finds_the_best_arm_of_a_real_robot(names: tuple[str, ...], mbps: float, best: str, noise: float) -> None:
    for seed in range(3):
        most_chosen, error = regime(names, mbps, noise, seed)
        assert most_chosen == best
        assert error < 0.3
