# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A policy's state survives a restart, and the state of something else is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from neurosurgeon_ros.learning import POLICIES, make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation, Policy
from neurosurgeon_ros.learning.state import Stateful, load_state, save_state

ARMS = ("input/fp32", "pool/fp32", "on_device")
STATEFUL = [name for name in POLICIES if isinstance(make_policy(name, n_arms=3), Stateful)]


def context(frame: int) -> Context:
    features = np.zeros((3, len(FEATURES)))
    features[:2, FEATURES.index("conv_macs")] = [2e9, 1e9]
    features[:2, FEATURES.index("conv_layers")] = [8, 4]
    features[:2, FEATURES.index("psi")] = [600e3, 100e3]
    return Context(
        frame=frame,
        robot_s=np.array([0.0, 0.1, 0.3]),
        features=features,
        decode_s=np.zeros(3),
        point=np.arange(3),
        allowed=np.ones(3, dtype=bool),
        on_device=2,
        key_frame=False,
        now_s=0.1 * frame,
        period_s=0.1,
    )


def taught(name: str) -> Policy:
    """Return a policy that has learnt a link of 40 Mbit/s and an edge that takes 10 ms."""
    policy = make_policy(name, n_arms=3)
    for frame in range(1, 40):
        choice = policy.select(context(frame))
        if choice.probe_bytes:
            transmit_s = choice.probe_bytes / 5e6
            policy.observe(
                Observation(-1, frame, Kind.PROBE, transmit_s, transmit_s=transmit_s, sent_bytes=choice.probe_bytes),
                context(frame),
            )
        if choice.arm < 2:
            transmit_s = (0.12, 0.02)[choice.arm]
            policy.observe(
                Observation(choice.arm, frame, Kind.FRAME, transmit_s + 0.01, transmit_s=transmit_s, compute_s=0.01),
                context(frame),
            )
    return policy


@pytest.mark.parametrize("name", STATEFUL)
def test_reloaded_policy_goes_on(tmp_path: Path, name: str) -> None:
    path = tmp_path / "states" / "robot.json"
    before = taught(name)
    assert save_state(path, before, name=name, model="abc", arms=ARMS)
    after = make_policy(name, n_arms=3)
    load_state(path, after, name=name, model="abc", arms=ARMS)
    frame = context(40)
    expected, got = before.select(frame), after.select(frame)
    assert got.arm == expected.arm
    assert got.predicted_offload_s == pytest.approx(expected.predicted_offload_s, rel=1e-3)
    assert [entry.name for entry in path.parent.iterdir()] == ["robot.json"]


def test_adaptive_policy_is_among_them() -> None:
    assert {"adaptive_mu_lin_ucb", "mu_lin_ucb"} <= set(STATEFUL)


def test_policy_without_state_saves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "robot.json"
    assert not save_state(path, make_policy("on_device", n_arms=3), name="on_device", model="abc", arms=ARMS)
    assert not path.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 99}, "is a state of version 99, but version 1 is in use"),
        ({"model": "other"}, "is a state of model 'other', but model 'abc' is in use"),
        ({"policy": "lin_ucb"}, "is a state of policy 'lin_ucb', but policy 'mu_lin_ucb' is in use"),
        ({"arms": ["input/fp32", "on_device"]}, "is a state of arms"),
        ({"state": {"ridge": {"a": [[1.0]], "b": [1.0], "count": 3}, "scale": None}}, "does not fit policy mu_lin_ucb"),
        ({"state": []}, "does not fit policy mu_lin_ucb"),
    ],
)
def test_state_of_something_else_is_refused_by_name(tmp_path: Path, change: dict[str, object], message: str) -> None:
    path = tmp_path / "robot.json"
    save_state(path, taught("mu_lin_ucb"), name="mu_lin_ucb", model="abc", arms=ARMS)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=message):
        load_state(path, make_policy("mu_lin_ucb", n_arms=3), name="mu_lin_ucb", model="abc", arms=ARMS)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', "null", "[" * 100_000], ids=range(6))
def test_file_that_is_no_state_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "robot.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is no saved state of a policy"):
        load_state(path, make_policy("mu_lin_ucb", n_arms=3), name="mu_lin_ucb", model="abc", arms=ARMS)


def test_restored_policy_still_looks_again() -> None:
    before = taught("adaptive_mu_lin_ucb")
    after = make_policy("adaptive_mu_lin_ucb", n_arms=3)
    assert isinstance(before, Stateful)
    assert isinstance(after, Stateful)
    after.restore(before.state())
    slow = dataclasses.replace(context(1), robot_s=np.array([0.0, 0.1, 0.05]))
    assert after.select(slow).probe_bytes > 0
