# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Codec tables of networks for the simulator: arms with bytes, fidelity and the measured seconds of each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from neurosurgeon_ros.calibration.arm_table import PSI, robot_seconds
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.calibration.fidelity import ArmFidelity, StreamFidelity, nearest_rate
from neurosurgeon_ros.calibration.pruning import Costs, fidelity_penalty_s, useful_arms
from neurosurgeon_ros.learning.interface import BoolArray, FloatArray, IntArray
from neurosurgeon_ros.simulation.table import LAYERS, MACS


@dataclass(frozen=True, slots=True, eq=False)
class CodecTable:
    """
    The n arms of one network in the order of p. The first arm sends the input, and the last arm is `on_device`.

    :param name: the network's name.
    :param arms: names of the arms.
    :param camera: whether the arm sends the camera's image. Shape (n,).
    :param point: partition point p of each arm. Shape (n,).
    :param features: the back-end's contextual features, psi in expected encoded bytes. Shape (n, 7).
    :param profile: seconds of each step on the profiled machine, with encoding and decoding of these arms.
    :param fidelity: expected fidelity of each arm, in [0, 1]. Shape (n,).
    :param low: lower end of the fidelity's 90 % interval, in [0, 1]. Shape (n,).
    :param key_bytes: bytes of a stream's key; 0 for arms whose codec has no memory. Shape (n,).
    :param streams: bytes and fidelity of the arms with memory at each rate, in ascending order, by name. `features`,
        `fidelity`, `low` and `key_bytes` are those at one of them; see :meth:`at_rate`.
    """

    name: str
    arms: tuple[str, ...]
    camera: BoolArray
    point: IntArray
    features: FloatArray
    profile: DelayProfile
    fidelity: FloatArray
    low: FloatArray
    key_bytes: FloatArray
    streams: Mapping[str, tuple[StreamFidelity, ...]] = field(default_factory=dict)

    @property
    def back_macs(self) -> FloatArray:
        """Return the multiply-accumulates of each back-end, shape (n,)."""
        macs: FloatArray = self.features[:, MACS].sum(axis=1)
        return macs

    @property
    def back_layers(self) -> FloatArray:
        """Return the number of convolutional, fully connected and activation layers of each back-end, shape (n,)."""
        layers: FloatArray = self.features[:, LAYERS].sum(axis=1)
        return layers

    @property
    def back_s(self) -> FloatArray:
        """Return the seconds of each back-end on the profiled machine, as the robot estimates them. Shape (n,)."""
        seconds: FloatArray = self.profile.front_s[-1] - self.profile.front_s[self.point]
        return seconds

    def at_rate(self, rate_hz: float) -> CodecTable:
        """
        Return the table as a robot has it whose camera has this rate, by the rule of :func:`.nearest_rate`.

        :param rate_hz: images per second; 0 if it is unknown.
        """
        features, fidelity, low, key_bytes = (
            array.copy() for array in (self.features, self.fidelity, self.low, self.key_bytes)
        )
        for arm, name in enumerate(self.arms):
            if name in self.streams:
                known = nearest_rate(self.streams[name], rate_hz)
                features[arm, PSI], key_bytes[arm] = known.sent_bytes, known.key_bytes
                fidelity[arm], low[arm] = known.fidelity, known.low
        return replace(self, features=features, fidelity=fidelity, low=low, key_bytes=key_bytes)

    def without_memory(self) -> CodecTable:
        """Return a table of the arms whose codec has no memory."""
        return self.of(np.flatnonzero(self.key_bytes == 0.0))

    def admitted(self, min_fidelity: float) -> CodecTable:
        """
        Return a table of the arms that a robot may use; `on_device` is always one of them.

        The rule is that of :class:`~neurosurgeon_ros.calibration.admission.Admission`.

        :param min_fidelity: required fidelity, in [0, 1].
        """
        return self.of(
            np.array(
                [
                    arm
                    for arm, (fidelity, low) in enumerate(zip(self.fidelity, self.low, strict=True))
                    if arm == len(self.arms) - 1
                    or ArmFidelity(float(fidelity), float(low), 1.0, 0.0).reaches(min_fidelity)
                ],
                dtype=np.int64,
            )
        )

    def pruned(self, robot_s: FloatArray, *, speed: float, fidelity_price_s: float) -> IntArray:
        """
        Return the indices of the arms that a robot keeps after pruning, in ascending order, with `on_device`.

        :param robot_s: seconds of each arm on the robot. Shape (n,).
        :param speed: the robot's speed as a fraction of the profiled machine's.
        :param fidelity_price_s: penalty in seconds for each hundredth of fidelity that an arm loses.
        """
        costs = Costs(
            robot_s=robot_s + fidelity_penalty_s(self.fidelity, fidelity_price_s),
            decode_s=self.profile.decode_s,
            back_s=self.back_s,
            sent_bytes=self.features[:, PSI],
        )
        no = np.zeros(len(self.arms), dtype=np.bool_)
        useful = useful_arms(costs, camera=self.camera, received=no, stream=self.key_bytes > 0.0, speed=speed)
        return np.array(useful, dtype=np.int64)

    def of(self, chosen: IntArray) -> CodecTable:
        """Return a table of the chosen arms. The last of them must be `on_device`."""
        profile = self.profile
        return CodecTable(
            name=self.name,
            arms=tuple(self.arms[arm] for arm in chosen),
            camera=self.camera[chosen],
            point=self.point[chosen],
            features=self.features[chosen],
            profile=replace(profile, encode_s=profile.encode_s[chosen], decode_s=profile.decode_s[chosen]),
            fidelity=self.fidelity[chosen],
            low=self.low[chosen],
            key_bytes=self.key_bytes[chosen],
            streams=self.streams,
        )

    def on_robot(self, profile: DelayProfile) -> CodecTable:
        """Return the table with the delay profile of a robot."""
        return replace(self, profile=profile)

    @property
    def robot_s(self) -> FloatArray:
        """Return the seconds of each arm before its request; for `on_device`, until its result. Shape (n,)."""
        return robot_seconds(self.profile, self.point, self.camera)


def point_of(arm: str) -> str:
    """Return the name of an arm's partition point."""
    return arm.rpartition("/")[0] or arm
