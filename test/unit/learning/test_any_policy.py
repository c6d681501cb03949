# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Properties of every policy, for any robot, edge and link."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosurgeon_ros.learning import DEFAULT_POLICY, POLICIES, make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Kind, Observation

PSI = FEATURES.index("psi")


def robot(rng: np.random.Generator, n_arms: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random robot delays and features, from microseconds to minutes and from bytes to gigabytes."""
    features = 10.0 ** rng.uniform(0.0, 10.0, (n_arms, len(FEATURES))) * (rng.random((n_arms, len(FEATURES))) < 0.8)
    features[:, PSI] = np.maximum(features[:, PSI], 1.0)
    features[-1] = 0.0
    return 10.0 ** rng.uniform(-6.0, 2.0, n_arms), features


def answer(rng: np.random.Generator, arm: int, sequence: int, kind: Kind, sent_bytes: int) -> Observation:
    """Return a random observation: measured or not, censored or not, of any length."""

    def seconds() -> float:
        return float(rng.choice([0.0, math.nan, 10.0 ** rng.uniform(-6.0, 3.0)]))

    return Observation(
        arm=arm,
        sequence=sequence,
        kind=kind,
        offload_s=seconds(),
        transmit_s=seconds(),
        queue_s=seconds(),
        decode_s=seconds(),
        compute_s=seconds(),
        censored=bool(rng.random() < 0.2),
        overlapped=bool(rng.random() < 0.2),
        sent_bytes=sent_bytes,
        robot_s=seconds(),
    )


@pytest.mark.parametrize("name", POLICIES)
@given(seed=st.integers(0, 2**32 - 1), n_arms=st.integers(2, 12))
@settings(max_examples=8, deadline=None)
def test_chooses_an_allowed_arm_and_sane_figures_whatever_is_observed(name: str, seed: int, n_arms: int) -> None:
    rng = np.random.default_rng(seed)
    policy = make_policy(name, n_arms=n_arms, seed=seed)
    robot_s, features = robot(rng, n_arms)
    now_s, waiting = 0.0, []
    for frame in range(1, 60):
        now_s += float(rng.exponential(0.2))
        edge_available = bool(rng.random() < 0.9)
        allowed = (rng.random(n_arms) < 0.8) & edge_available
        allowed[-1] = True
        context = Context(
            frame=frame,
            robot_s=robot_s,
            features=features,
            decode_s=np.full(n_arms, 1e-3),
            point=np.arange(n_arms),
            allowed=allowed,
            on_device=n_arms - 1,
            key_frame=bool(rng.random() < 0.3),
            now_s=now_s,
            period_s=0.1,
            deadline_s=1.0,
            edge_available=edge_available,
            link_busy=bool(rng.random() < 0.2),
        )
        choice = policy.select(context)
        check(choice, context)
        waiting.append((context, choice.arm, frame, Kind.FRAME, int(features[choice.arm, PSI])))
        if choice.sample_arm is not None:
            waiting.append((context, choice.sample_arm, frame, Kind.SAMPLE, int(features[choice.sample_arm, PSI])))
        if choice.probe_bytes:
            waiting.append((context, -1, frame, Kind.PROBE, choice.probe_bytes))
        rng.shuffle(waiting)
        for _ in range(int(rng.integers(0, len(waiting) + 1))):
            asked_in, *asked = waiting.pop()
            policy.observe(answer(rng, *asked), asked_in)


def check(choice: Choice, context: Context) -> None:
    assert context.allowed[choice.arm]
    assert choice.optimistic_offload_s >= 0.0
    assert math.isfinite(choice.optimistic_offload_s)
    assert math.isnan(choice.predicted_offload_s) or math.isfinite(choice.predicted_offload_s)
    assert choice.probe_bytes >= 0
    if choice.sample_arm is not None:
        assert context.edge_available
        assert context.point[choice.sample_arm] < context.point[choice.arm]
    if choice.probe_bytes:
        assert context.edge_available


def test_default_policy_is_one_of_them() -> None:
    assert DEFAULT_POLICY in POLICIES
