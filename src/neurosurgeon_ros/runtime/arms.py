# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm table: what is known of every arm before the first frame, as arrays that the policies read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from neurosurgeon_ros.codecs.as_received import AS_RECEIVED
from neurosurgeon_ros.learning.interface import FEATURES, BoolArray, FloatArray, IntArray
from neurosurgeon_ros.runtime.admission import ALL_ARMS, Admission
from neurosurgeon_ros.runtime.engine import Arm, Calibration, Engine
from neurosurgeon_ros.runtime.pruning import Costs, worth_having

PSI = FEATURES.index("psi")


@dataclass(frozen=True, slots=True, eq=False)
class ArmTable:
    """
    The arms that are worth having at some rate and some speed of the edge; n arms, in the order of p.

    :param arms: the last one is `on_device`.
    :param calibration: uncontended seconds on this machine, its arrays for these arms.
    :param robot_s: seconds on the robot: pre-processing, front-end and encoding; for `on_device` all. Shape (n,).
    :param features: the back-end's contextual features, psi in expected encoded bytes. Shape (n, 7).
    :param decode_s: expected seconds of decoding at the edge. Shape (n,).
    :param point: partition point p. Shape (n,).
    :param fidelity: expected agreement with the whole network in fp32, in [0, 1]. Shape (n,).
    :param allowed: whether the arm may be chosen at all. Shape (n,).
    :param left_out: arms that may not be used, or that are nowhere noticeably better than those that are here.
    """

    arms: tuple[Arm, ...]
    calibration: Calibration
    robot_s: FloatArray
    features: FloatArray
    decode_s: FloatArray
    point: IntArray
    fidelity: FloatArray
    allowed: BoolArray
    left_out: tuple[Arm, ...] = ()

    @property
    def on_device(self) -> int:
        """Index of the arm p = P."""
        return len(self.arms) - 1

    @property
    def as_received(self) -> int | None:
        """Index of the arm that sends the camera's picture as it came; None if there is none."""
        found = [index for index, arm in enumerate(self.arms) if arm.codec == AS_RECEIVED.name]
        return found[0] if found else None

    def index(self, name: str) -> int:
        """Index of an arm by its name; raises ValueError if there is none."""
        for index, arm in enumerate(self.arms):
            if arm.name == name:
                return index
        raise ValueError(f"there is no arm {name!r}; choose one of {', '.join(arm.name for arm in self.arms)}")


def build_arm_table(
    engine: Engine,
    codecs: Sequence[str],
    *,
    admission: Admission = ALL_ARMS,
    speed: float = 1.0,
    threads: int = 0,
    fidelity_price_s: float = 0.0,
    keep_all: bool = False,
    images_compressed: bool = False,
    repeats: int = 7,
) -> ArmTable:
    """
    Measure every arm of a network on this machine.

    :param codecs: registered names; every partition point is taken with each that can carry some of its tensors.
    :param admission: which of these arms may be used.
    :param speed: speed of the emulated robot as a fraction of this machine's.
    :param threads: torch threads that frames will run with; 0 leaves torch's own choice.
    :param fidelity_price_s: seconds by which an arm counts as slower for each hundredth of agreement that it loses.
    :param keep_all: keep arms that are nowhere noticeably better than others, too.
    :param images_compressed: whether images come compressed, so that they may travel as they came: the arm for this is
        kept whatever it is expected to weigh, as only the camera tells, and it takes no other's place.
    :raises ValueError: if a codec or the earliest point of `admission` is unknown.
    """
    every = engine.arms(codecs, as_received=images_compressed)
    candidates = admission.admit(engine, every)
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        measured = engine.calibrate(candidates, repeats=repeats)
    finally:
        torch.set_num_threads(before)
    points = engine.partitioned.points
    point = np.array([arm.point for arm in candidates], dtype=np.int64)
    features = np.array([points[arm.point].features for arm in candidates], dtype=np.float64)
    features[:, PSI] = [admission.expected_bytes(engine, arm) for arm in candidates]
    robot_s = measured.preprocess_s + measured.front_s[point] + measured.encode_s
    robot_s[-1] += measured.postprocess_s

    fidelity = np.array([admission.fidelity_of(engine, arm) for arm in candidates])
    kept = list(range(len(candidates)))
    if not keep_all:
        known = np.array([index for index, arm in enumerate(candidates) if arm.codec != AS_RECEIVED.name])
        costs = Costs(
            robot_s=(robot_s / speed + 100.0 * fidelity_price_s * (1.0 - fidelity))[known],
            decode_s=measured.decode_s[known],
            back_s=(measured.front_s[-1] - measured.front_s[point])[known],
            sent_bytes=features[known, PSI],
        )
        worth = {*known[worth_having(costs, speed)].tolist()}
        kept = [index for index in kept if index in worth or candidates[index].codec == AS_RECEIVED.name]
    calibration = Calibration(
        measured.preprocess_s,
        measured.front_s,
        measured.encode_s[kept],
        measured.decode_s[kept],
        measured.postprocess_s,
    )
    table = ArmTable(
        arms=tuple(candidates[index] for index in kept),
        calibration=calibration,
        robot_s=robot_s[kept] / speed,
        features=features[kept],
        decode_s=measured.decode_s[kept],
        point=point[kept],
        fidelity=fidelity[kept],
        allowed=np.ones(len(kept), dtype=np.bool_),
        left_out=tuple(arm for arm in every if arm not in {candidates[index] for index in kept}),
    )
    for array in (
        *(table.robot_s, table.features, table.decode_s, table.point, table.fidelity, table.allowed),
        *(calibration.front_s, calibration.encode_s, calibration.decode_s),
    ):
        array.flags.writeable = False
    return table
