# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm table: the properties of every arm before the first frame, as arrays that the policies read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurosurgeon_ros.calibration.admission import ALL_ARMS, Admission
from neurosurgeon_ros.calibration.delay_profile import DelayProfile, measure_delays
from neurosurgeon_ros.calibration.pruning import Costs, fidelity_penalty_s, useful_arms
from neurosurgeon_ros.codecs import AS_RECEIVED_CODECS
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import torch_threads
from neurosurgeon_ros.learning.interface import FEATURES, BoolArray, FloatArray, IntArray

PSI = FEATURES.index("psi")


@dataclass(frozen=True, slots=True, eq=False)
class ArmTable:
    """
    Arms that are useful at some link rate and some edge speed; n arms, in the order of p.

    :param arms: the arms; the last one is `on_device`.
    :param profile: uncontended seconds on this machine, with arrays for these arms.
    :param robot_s: seconds on the robot, see :func:`robot_seconds`. Shape (n,).
    :param features: the back-end's contextual features, psi in expected encoded bytes. Shape (n, 7).
    :param decode_s: expected seconds of decoding at the edge. Shape (n,).
    :param point: partition point p. Shape (n,).
    :param fidelity: expected agreement with the whole network in fp32, in [0, 1]. Shape (n,).
    :param allowed: whether the arm may be chosen at all. Shape (n,).
    :param camera: whether the arm sends the camera's image; its bytes and encoding time are those of an image of
        ``CUSTOMARY_PIXELS``. Shape (n,).
    :param key_bytes: expected bytes of a stream's key; 0 for arms whose codec has no memory. Shape (n,).
    :param left_out: arms that may not be used, or that are never noticeably better than the arms in this table.
    """

    arms: tuple[Arm, ...]
    profile: DelayProfile
    robot_s: FloatArray
    features: FloatArray
    decode_s: FloatArray
    point: IntArray
    fidelity: FloatArray
    allowed: BoolArray
    camera: BoolArray
    key_bytes: FloatArray
    left_out: tuple[Arm, ...] = ()

    @property
    def on_device(self) -> int:
        """Return the index of the arm p = P."""
        return len(self.arms) - 1

    @property
    def as_received(self) -> int | None:
        """Return the index of the arm that sends what the camera sent as received; None if there is none."""
        found = [index for index, arm in enumerate(self.arms) if arm.codec in AS_RECEIVED_CODECS]
        return found[0] if found else None

    def index(self, name: str) -> int:
        """Return the index of an arm by its name; raise ValueError if there is none."""
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
    as_received: str = "",
    repeats: int = 7,
    measure: Callable[[Engine, Sequence[Arm]], DelayProfile] | None = None,
) -> ArmTable:
    """
    Measure every arm of a network on this machine.

    :param codecs: registered names, with or without memory; every partition point is combined with each codec that can
        carry some of its tensors.
    :param admission: which of these arms may be used.
    :param speed: speed of the emulated robot as a fraction of this machine's speed.
    :param threads: number of torch threads that frames will run with; 0 keeps torch's default.
    :param fidelity_price_s: penalty in seconds for each hundredth of agreement that an arm loses.
    :param keep_all: also keep arms that are never noticeably better than others.
    :param as_received: codec that forwards what the camera sends, as :func:`~neurosurgeon_ros.inference.arm.list_arms`
        takes it.
    :param repeats: number of measurements of each step, if `measure` is not given.
    :param measure: returns the profile instead of :func:`.delay_profile.measure_delays`.
    :raises ValueError: if a codec or the earliest point of `admission` is unknown.
    """
    every = engine.arms(codecs, limits=admission.limits, as_received=as_received)
    candidates = admission.admit(engine, every)
    with torch_threads(threads):
        measured = measure(engine, candidates) if measure else measure_delays(engine, candidates, repeats=repeats)
    points = engine.partitioned.points
    point = np.array([arm.point for arm in candidates], dtype=np.int64)
    features = np.array([points[arm.point].features for arm in candidates], dtype=np.float64)
    features[:, PSI] = [admission.expected_bytes(engine, arm, customary=True) for arm in candidates]
    camera = np.array([arm.sends_image for arm in candidates], dtype=np.bool_)
    key_bytes = np.array([admission.expected_key_bytes(engine, arm, customary=True) for arm in candidates])
    robot_s = robot_seconds(measured, point, camera)

    fidelity = np.array([admission.fidelity_of(engine, arm) for arm in candidates])
    kept = list(range(len(candidates)))
    if not keep_all:
        costs = Costs(
            robot_s=robot_s / speed + fidelity_penalty_s(fidelity, fidelity_price_s),
            decode_s=measured.decode_s,
            back_s=measured.front_s[-1] - measured.front_s[point],
            sent_bytes=features[:, PSI],
        )
        received = np.array([arm.codec in AS_RECEIVED_CODECS for arm in candidates])
        kept = useful_arms(costs, camera=camera, received=received, stream=key_bytes > 0.0, speed=speed)
    profile = replace(measured, encode_s=measured.encode_s[kept], decode_s=measured.decode_s[kept])
    table = ArmTable(
        arms=tuple(candidates[index] for index in kept),
        profile=profile,
        robot_s=robot_s[kept] / speed,
        features=features[kept],
        decode_s=measured.decode_s[kept],
        point=point[kept],
        fidelity=fidelity[kept],
        allowed=np.ones(len(kept), dtype=np.bool_),
        camera=camera[kept],
        key_bytes=key_bytes[kept],
        left_out=tuple(arm for arm in every if arm not in {candidates[index] for index in kept}),
    )
    for array in (
        *(table.robot_s, table.features, table.decode_s, table.point, table.fidelity, table.allowed, table.camera),
        table.key_bytes,
        *(profile.front_s, profile.encode_s, profile.decode_s),
    ):
        array.flags.writeable = False
    return table


def robot_seconds(profile: DelayProfile, point: IntArray, camera: BoolArray) -> FloatArray:
    """
    Return the time that each arm takes on the robot; the last arm is `on_device`.

    The time includes pre-processing, front-end and encoding. If the camera's image is sent, it includes encoding only.
    For `on_device` it includes pre-processing, the whole network and post-processing.

    :param point: p of each arm. Shape (n,).
    :param camera: as in :class:`ArmTable`. Shape (n,).
    :returns: seconds on this machine, shape (n,).
    """
    robot_s: FloatArray = profile.front_s[point] + profile.encode_s
    robot_s[~camera] += profile.preprocess_s
    robot_s[-1] += profile.postprocess_s
    return robot_s
