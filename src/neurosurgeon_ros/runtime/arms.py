# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm table: what is known of every arm before the first frame, as arrays that the policies read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from neurosurgeon_ros.codecs import get_codec
from neurosurgeon_ros.learning.interface import FEATURES, BoolArray, FloatArray, IntArray
from neurosurgeon_ros.runtime.engine import Arm, Calibration, Engine

PSI = FEATURES.index("psi")

#: A difference of delays that no choice should hang on: what measuring them is uncertain by, seconds.
SLACK_S = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class ArmTable:
    """
    Every arm that can be the best one at some rate and some speed of the edge; n arms, in the order of p.

    :param arms: the last one is `on_device`.
    :param calibration: uncontended seconds on this machine, its arrays for these arms.
    :param robot_s: seconds on the robot: pre-processing, front-end and encoding; for `on_device` all. Shape (n,).
    :param features: the back-end's contextual features, psi in expected encoded bytes. Shape (n, 7).
    :param decode_s: expected seconds of decoding at the edge. Shape (n,).
    :param point: partition point p. Shape (n,).
    :param fidelity: expected agreement with the whole network in fp32, in [0, 1]. Shape (n,).
    :param allowed: whether the arm may be chosen at all. Shape (n,).
    :param left_out: arms that no rate and no edge at least as fast as the robot could make best.
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

    def index(self, name: str) -> int:
        """Index of an arm by its name; raises ValueError if there is none."""
        for index, arm in enumerate(self.arms):
            if arm.name == name:
                return index
        raise ValueError(f"there is no arm {name!r}; choose one of {', '.join(arm.name for arm in self.arms)}")


def build_arm_table(
    engine: Engine, codecs: Sequence[str], *, speed: float = 1.0, threads: int = 0, repeats: int = 7
) -> ArmTable:
    """
    Measure every arm of a network on this machine.

    :param codecs: registered names; every partition point is taken with each that can carry its tensors.
    :param speed: speed of the emulated robot as a fraction of this machine's.
    :param threads: torch threads that frames will run with; 0 leaves torch's own choice.
    :raises ValueError: if a codec is unknown.
    """
    candidates = engine.arms(codecs)
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
    features[:, PSI] = [_expected_bytes(engine, arm) for arm in candidates]
    robot_s = measured.preprocess_s + measured.front_s[point] + measured.encode_s
    robot_s[-1] += measured.postprocess_s

    codec_s = measured.encode_s + measured.decode_s
    lossless = np.array([not arm.codec or get_codec(arm.codec).lossless for arm in candidates])
    kept = _undominated(robot_s, codec_s, features[:, PSI], point, lossless)
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
        fidelity=np.ones(len(kept)),
        allowed=np.ones(len(kept), dtype=np.bool_),
        left_out=tuple(arm for index, arm in enumerate(candidates) if index not in set(kept)),
    )
    for array in (
        *(table.robot_s, table.features, table.decode_s, table.point, table.fidelity, table.allowed),
        *(calibration.front_s, calibration.encode_s, calibration.decode_s),
    ):
        array.flags.writeable = False
    return table


def _expected_bytes(engine: Engine, arm: Arm) -> int:
    if not arm.codec:
        return 0
    return sum(get_codec(arm.codec).expected_bytes(spec) for spec in engine.partitioned.points[arm.point].tensors)


def _undominated(
    robot_s: FloatArray, codec_s: FloatArray, sent_bytes: FloatArray, point: IntArray, lossless: BoolArray
) -> list[int]:
    """
    Find the arms for which no earlier point takes no longer on the robot and in the codec and sends no more.

    On an edge that is no slower than the robot such an earlier arm is at least as good at every rate: what the later
    arm's front-end does beyond it costs the edge no more than the robot. An arm with loss takes no place of one
    without. `on_device` is always kept.

    :param codec_s: encoding and decoding; shape (n,), as all.
    """
    last = len(robot_s) - 1
    return [
        j
        for j in range(len(robot_s))
        if j == last
        or not any(
            point[i] < point[j]
            and robot_s[i] <= robot_s[j] + SLACK_S
            and codec_s[i] <= codec_s[j] + SLACK_S
            and sent_bytes[i] <= sent_bytes[j]
            and (lossless[i] or not lossless[j])
            for i in range(last)
        )
    ]
