# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a robot learnt is restored at the next start, and the state of another robot is not used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from robots import small_table

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.learning.interface import Context, Kind, Observation
from neurosurgeon_ros.learning.neurosurgeon import Neurosurgeon
from neurosurgeon_ros.robot.saved_policy import SavedPolicy


@pytest.fixture(scope="module")
def table() -> ArmTable:
    return small_table()


def make(
    table: ArmTable, state_file: Path | None, *, model: str = "a", name: str = "adaptive_mu_lin_ucb"
) -> SavedPolicy:
    return SavedPolicy(name, table, model=model, speed=0.5, seed=0, state_file=state_file)


def context(table: ArmTable) -> Context:
    return Context(
        frame=1,
        robot_s=table.robot_s,
        features=table.features,
        decode_s=table.decode_s,
        point=table.point,
        allowed=table.allowed,
        on_device=table.on_device,
        key_frame=True,
    )


def test_what_was_learnt_is_saved_and_reloaded(table: ArmTable, tmp_path: Path) -> None:
    file = tmp_path / "robot" / "state.json"
    first = make(table, file)
    asked_in = context(table)
    first.policy.select(asked_in)
    for _ in range(20):  # a belief from a few observations is not worth keeping
        first.policy.observe(Observation(-1, 1, Kind.PROBE, 0.5, transmit_s=0.5, sent_bytes=20000), asked_in)
    first.save()
    again = make(table, file)
    assert not again.problem
    again.save()
    saved = json.loads(file.read_text())["state"]
    fresh = tmp_path / "fresh.json"
    make(table, fresh).save()
    assert saved != json.loads(fresh.read_text())["state"]


def test_the_state_of_another_model_is_refused_and_kept(table: ArmTable, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    make(table, file, model="a").save()
    before = file.read_bytes()
    other = make(table, file, model="b")
    assert "model 'a'" in other.problem
    other.save()
    assert file.read_bytes() == before


def test_a_robot_that_has_changed_its_own_arms_replaces_what_it_had_learnt(table: ArmTable, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    fewer = replace(table, arms=table.arms[1:])
    make(fewer, file).save()
    assert make(table, file).problem
    options = {"model": "a", "speed": 0.5, "seed": 0, "state_file": file}
    changed = SavedPolicy("adaptive_mu_lin_ucb", table, **options, replaces=True)  # type: ignore[arg-type]
    assert not changed.problem
    changed.save()
    assert not make(table, file).problem


def test_without_a_file_nothing_is_saved(table: ArmTable) -> None:
    learner = make(table, None)
    learner.save()
    assert not learner.problem


def test_an_emulated_robot_tells_neurosurgeon_how_much_faster_the_edge_is(table: ArmTable) -> None:
    saved, reference = make(table, None, name="neurosurgeon").policy, Neurosurgeon(n_arms=3, edge_speedup=2.0)
    offloads_s = []
    for policy in (saved, reference):
        asked_in = context(table)
        policy.select(asked_in)
        policy.observe(Observation(-1, 1, Kind.PROBE, 1e-6, transmit_s=1e-6, sent_bytes=10**9), asked_in)
        slow_here = np.append(asked_in.robot_s[:-1], 1e3)
        offloads_s.append(policy.select(replace(asked_in, robot_s=slow_here)).predicted_offload_s)
    assert offloads_s[0] == offloads_s[1] > 0.0
