# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arm tables for one network on one machine: the first measured in quiet, later ones beside a running robot."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from neurosurgeon_ros.runtime.admission import Admission
from neurosurgeon_ros.runtime.arms import ArmTable, build_arm_table, robot_seconds
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.kept_calibration import KeptCalibration
from neurosurgeon_ros.runtime.slot import LatestSlot

T = TypeVar("T")


class TableBuilder:
    """
    Makes arm tables of a network.

    :param speed: speed of the emulated robot as a fraction of this machine's.
    :param threads: torch threads that frames run with; 0 leaves torch's own choice.
    :param images_compressed: whether images come compressed, so that they may travel as they came.
    :param kept: of earlier starts, for the first table; None to measure it.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        speed: float,
        threads: int,
        images_compressed: bool = False,
        kept: KeptCalibration | None = None,
    ) -> None:
        self._engine = engine
        self._speed = speed
        self._threads = threads
        self._images_compressed = images_compressed
        self._kept = kept
        self._first: ArmTable | None = None

    def build(self, codecs: Sequence[str], admission: Admission, fidelity_price_s: float) -> ArmTable:
        """
        Make a table; what does not depend on the codecs is taken from the first one, which nothing disturbed.

        :raises ValueError: see :func:`~neurosurgeon_ros.runtime.arms.build_arm_table`.
        """
        table = build_arm_table(
            self._engine,
            codecs,
            admission=admission,
            speed=self._speed,
            threads=self._threads,
            fidelity_price_s=fidelity_price_s,
            images_compressed=self._images_compressed,
            measure=self._kept.calibrate if self._kept is not None and self._first is None else None,
        )
        if self._first is None:
            self._first = table
            return table
        quiet = self._first.calibration
        calibration = replace(quiet, encode_s=table.calibration.encode_s, decode_s=table.calibration.decode_s)
        robot_s = robot_seconds(calibration, table.point, table.camera) / self._speed
        robot_s.flags.writeable = False
        return replace(table, calibration=calibration, robot_s=robot_s)


class Beside(Generic[T]):
    """
    Does one thing after the other in a thread of its own; of what waits, the newest alone is done.

    :param do: called with what was asked for, from that thread.
    :param on_problem: told in one sentence what it raised.
    """

    def __init__(self, do: Callable[[T], None], *, on_problem: Callable[[str], None]) -> None:
        self._do = do
        self._on_problem = on_problem
        self._slot: LatestSlot[T] = LatestSlot()
        self._worker = threading.Thread(target=self._run, name="beside", daemon=True)
        self._worker.start()

    def ask(self, what: T) -> None:
        """Ask for something; takes the place of what was asked before and is not begun."""
        self._slot.put(what)

    def close(self) -> None:
        """Drop what waits, and join the thread once it has done what it works on."""
        self._slot.close()
        self._worker.join()

    def _run(self) -> None:
        while (what := self._slot.take()) is not None:
            try:
                self._do(what)
            except Exception as problem:  # what cannot be done leaves everything as it is
                self._on_problem(f"{type(problem).__name__}: {problem}")
