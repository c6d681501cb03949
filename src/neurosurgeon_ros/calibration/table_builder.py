# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arm tables for one network on one machine: the first is measured undisturbed, later ones while a robot runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.arm_table import ArmTable, build_arm_table
from neurosurgeon_ros.calibration.delay_profile import DelayProfile, measure_codecs
from neurosurgeon_ros.calibration.kept_delays import KeptDelays
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine


class TableBuilder:
    """
    Makes arm tables of a network.

    :param speed: speed of the emulated robot as a fraction of this machine's speed.
    :param threads: number of torch threads that frames run with; 0 for the calling thread's number.
    :param as_received: codec that forwards what the camera sends; empty: none.
    :param kept: delays of earlier starts, for the first table; None to measure it.

    :ivar pause: called between the measurements of a later table, so that they delay no frame.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        speed: float,
        threads: int,
        as_received: str = "",
        kept: KeptDelays | None = None,
    ) -> None:
        self._engine = engine
        self._speed = speed
        self._threads = threads or torch.get_num_threads()
        self._as_received = as_received
        self._kept = kept
        self._first: ArmTable | None = None
        self.pause: Callable[[], object] = lambda: None

    def build(self, codecs: Sequence[str], admission: Admission, fidelity_price_s: float) -> ArmTable:
        """
        Make a table. Delays that do not depend on the codecs come from the first table, which was measured undisturbed.

        :raises ValueError: see :func:`~neurosurgeon_ros.calibration.arm_table.build_arm_table`.
        """
        measure = self._kept.calibrate if self._kept is not None else None
        table = build_arm_table(
            self._engine,
            codecs,
            admission=admission,
            speed=self._speed,
            threads=self._threads,
            fidelity_price_s=fidelity_price_s,
            as_received=self._as_received,
            measure=measure if self._first is None else self._measure_again,
        )
        self._first = self._first or table
        return table

    def _measure_again(self, engine: Engine, arms: Sequence[Arm]) -> DelayProfile:
        assert self._first is not None
        return measure_codecs(engine, arms, self._first.profile, pause=lambda: self.pause())
