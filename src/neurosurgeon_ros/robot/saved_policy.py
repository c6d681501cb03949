# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's policy: created for its arms, restored from an earlier run, and saved."""

from __future__ import annotations

from pathlib import Path

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import Policy
from neurosurgeon_ros.learning.state import load_state, save_state


class SavedPolicy:
    """
    A policy and its state file.

    :param name: the policy's registered name.
    :param table: the arms that the policy chooses from.
    :param model: fingerprint of the network.
    :param speed: speed of the emulated robot as a fraction of this machine's speed, which the edge is assumed to have.
    :param state_file: file to restore from and save to; None to do neither.
    :param replaces: whether the file is overwritten even if it was refused, because the robot has changed its own arms.

    :ivar problem: why the file was refused, in one sentence; a refused file is left unchanged. Empty if it was not.
    """

    def __init__(
        self,
        name: str,
        table: ArmTable,
        *,
        model: str,
        speed: float,
        seed: int,
        state_file: Path | None,
        replaces: bool = False,
    ) -> None:
        self.name = name
        self.problem = ""
        self._file = state_file
        self._model = model
        self._arms = tuple(arm.name for arm in table.arms)
        options = {"edge_speedup": 1.0 / speed} if name == "neurosurgeon" else {}
        self.policy: Policy = make_policy(name, n_arms=len(table.arms), seed=seed, **options)
        if state_file is None or not state_file.exists():
            return
        try:
            load_state(state_file, self.policy, name=name, model=model, arms=self._arms)
        except (ValueError, OSError) as problem:
            self.problem = "" if replaces else str(problem)
            self.policy = make_policy(name, n_arms=len(table.arms), seed=seed, **options)

    def save(self) -> None:
        """
        Save the learnt state, unless there is no file or the file was refused.

        :raises OSError: if the file cannot be written.
        """
        if self._file is not None and not self.problem:
            save_state(self._file, self.policy, name=self.name, model=self._model, arms=self._arms)
