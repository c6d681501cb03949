# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Codec tables of networks for the simulator: arms with bytes, fidelity and the measured seconds of each step.

``neurosurgeon profile NAME --codecs`` writes NAME.arms.csv with every arm whose fidelity is known. These are the arms
of the network's calibration. Without a calibration, they are the arms with lossless codecs or fp16, as on a robot.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np

from neurosurgeon_ros.atomic_write import write_atomically
from neurosurgeon_ros.calibration.arm_table import PSI, robot_seconds
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.calibration.fidelity import ArmFidelity
from neurosurgeon_ros.calibration.pruning import Costs, fidelity_penalty_s, useful_arms
from neurosurgeon_ros.learning.interface import FEATURES, BoolArray, FloatArray, IntArray
from neurosurgeon_ros.simulation.table import CODECS_SUFFIX, LAYERS, MACS, network_folder, network_names, non_negative

#: Columns of the CSV: the arm's name, whether it sends the camera's image (1 or 0), FEATURES of its back-end with psi
#: as its expected bytes, the seconds of each step on the profiled machine, its fidelity, and the lower end of the
#: fidelity's 90 % interval. Pre-processing and post-processing are the same in every row.
STEPS = ("preprocess_s", "front_s", "encode_s", "decode_s", "postprocess_s")
COLUMNS = ("arm", "camera", *FEATURES, *STEPS, "fidelity", "low")


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
    """

    name: str
    arms: tuple[str, ...]
    camera: BoolArray
    point: IntArray
    features: FloatArray
    profile: DelayProfile
    fidelity: FloatArray
    low: FloatArray

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
        return np.array(useful_arms(costs, camera=self.camera, received=no, stream=no, speed=speed), dtype=np.int64)

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
        )

    def on_robot(self, profile: DelayProfile) -> CodecTable:
        """Return the table with the delay profile of a robot."""
        return replace(self, profile=profile)

    @property
    def robot_s(self) -> FloatArray:
        """Return the seconds of each arm before its request; for `on_device`, until its result. Shape (n,)."""
        return robot_seconds(self.profile, self.point, self.camera)


def read_codec_table(path: Path | Traversable, name: str) -> CodecTable:
    """
    Read a table that ``neurosurgeon profile --codecs`` wrote.

    :param path: CSV file with the columns :data:`COLUMNS`.
    :param name: the network's name.
    :raises ValueError: if columns are missing, a number is negative or not finite, a fidelity is above 1, or there are
        fewer than two arms.
    """
    with path.open(encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}; a codec table has {', '.join(COLUMNS)}")
        rows = list(reader)
    if len(rows) < 2:
        raise ValueError(f"{path} has {len(rows)} arms, but a network has at least one to send and on_device")
    numbers = {
        column: np.array(
            [non_negative(row[column], f"{path}, line {line}, column {column}") for line, row in enumerate(rows, 2)]
        )
        for column in COLUMNS[1:]
    }
    for column in ("fidelity", "low"):
        if numbers[column].max() > 1.0:
            raise ValueError(f"{path}, column {column} has {numbers[column].max():g}, but must be in [0, 1]")
    arms = tuple(row["arm"] for row in rows)
    names = list(dict.fromkeys(point_of(arm) for arm in arms))
    point = np.array([names.index(point_of(arm)) for arm in arms], dtype=np.int64)
    return CodecTable(
        name=name,
        arms=arms,
        camera=numbers["camera"] > 0.0,
        point=point,
        features=np.stack([numbers[feature] for feature in FEATURES], axis=1),
        profile=DelayProfile(
            score_s=0.0,
            preprocess_s=float(numbers["preprocess_s"][0]),
            front_s=np.array([numbers["front_s"][point == p][0] for p in range(len(names))]),
            encode_s=numbers["encode_s"],
            decode_s=numbers["decode_s"],
            postprocess_s=float(numbers["postprocess_s"][0]),
        ),
        fidelity=numbers["fidelity"],
        low=numbers["low"],
    )


def write_codec_table(path: Path, table: CodecTable) -> None:
    """
    Write a table for :func:`read_codec_table`, completely or not at all.

    :param path: CSV file.
    """
    profile = table.profile

    def write(partial: Path) -> None:
        with partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for arm, name in enumerate(table.arms):
                front_s = profile.front_s[table.point[arm]]
                steps = (profile.preprocess_s, front_s, profile.encode_s[arm], profile.decode_s[arm])
                seconds = [f"{step:.4g}" for step in (*steps, profile.postprocess_s)]
                agreement = [f"{share:.4g}" for share in (table.fidelity[arm], table.low[arm])]
                features = [f"{feature:.0f}" for feature in table.features[arm]]
                writer.writerow((name, int(table.camera[arm]), *features, *seconds, *agreement))

    write_atomically(path, write)


def point_of(arm: str) -> str:
    """Return the name of an arm's partition point."""
    return arm.rpartition("/")[0] or arm


@cache
def codec_table(name: str) -> CodecTable:
    """
    Load the codec table of a shipped network.

    :raises ValueError: if no network has this name; the message names the choices.
    """
    if name not in network_names():
        raise ValueError(f"there is no network {name!r}; choose one of {', '.join(network_names())}")
    return read_codec_table(network_folder() / f"{name}{CODECS_SUFFIX}", name)
