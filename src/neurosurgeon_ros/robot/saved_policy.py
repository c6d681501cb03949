# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's policy from start to end: made for its arms, gone on from what it learnt before, and saved."""

from __future__ import annotations

from pathlib import Path

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.learning import make_policy
from neurosurgeon_ros.learning.interface import Policy
from neurosurgeon_ros.learning.state import load_state, save_state


class SavedPolicy:
    """
    A policy with its file.

    :param name: the policy's registered name.
    :param table: the arms that it chooses among.
    :param model: fingerprint of the network.
    :param speed: speed of the emulated robot as a fraction of this machine's, which the edge is taken to have.
    :param state_file: where to restore from and save to; None for neither.

    :ivar problem: why the file was refused, in one sentence; it is left as it is then. Empty if all is well.
    """

    def __init__(
        self, name: str, table: ArmTable, *, model: str, speed: float, seed: int, state_file: Path | None
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
            self.problem = str(problem)
            self.policy = make_policy(name, n_arms=len(table.arms), seed=seed, **options)

    def save(self) -> None:
        """
        Write what was learnt, if there is a file that is ours.

        :raises OSError: if it cannot be written.
        """
        if self._file is not None and not self.problem:
            save_state(self._file, self.policy, name=self.name, model=self._model, arms=self._arms)
