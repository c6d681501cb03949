# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
How well each arm's results agree with the whole network's: what `neurosurgeon calibrate` measured, and where it lies.

A calibration is a JSON file named by the fingerprint of its network, in ``calibrations`` in the cache folder; those of
networks that ship, on the video that ships, come with the package.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.codecs.limits import CrossingLimits, Limits
from neurosurgeon_ros.models.files import cache_folder

#: Version of the files.
FORMAT = 1

#: The lower end of an arm's interval may lie this far below what is asked for: how sure a few dozen images can be.
INTERVAL_TOLERANCE = 0.02


class CalibrationProblem(ValueError):
    """A calibration that cannot be made, read or written; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class ArmFidelity:
    """
    Agreement of one arm with the whole network in fp32.

    :param fidelity: F1 or top-1 agreement, in [0, 1].
    :param low: lower end of its 90 % interval, in [0, 1].
    :param high: upper end, in [0, 1].
    :param sent_bytes: mean bytes that travel for an image.
    """

    fidelity: float
    low: float
    high: float
    sent_bytes: float

    def reaches(self, min_fidelity: float) -> bool:
        """Return whether the arm may be used where `min_fidelity` is asked for."""
        return self.low >= min_fidelity - INTERVAL_TOLERANCE


@dataclass(frozen=True, slots=True, eq=False)
class FidelityTable:
    """
    A calibration.

    :param model: name of the network.
    :param fingerprint: of its graph, weights and points.
    :param measure: ``f1`` or ``top-1``.
    :param images: what it was measured on, in words.
    :param calibrated: number of images that gave the limits.
    :param judged: number of images that gave the agreement; that of arms with limits comes from those that gave none.
    :param arms: by name.
    :param pixels: mean number of an image's; 0 where it is not known.
    :param limits: what quantisation keeps to, by the names of the arms whose codecs take limits.
    """

    model: str
    fingerprint: str
    measure: str
    images: str
    calibrated: int
    judged: int
    arms: Mapping[str, ArmFidelity]
    pixels: float = 0.0
    limits: Mapping[str, CrossingLimits] = field(default_factory=dict)


def calibrations_folder() -> Path:
    """Return the folder of the user's calibrations; it need not exist."""
    return cache_folder() / "calibrations"


def find_fidelity(fingerprint: str) -> FidelityTable | None:
    """
    Return the calibration of a network: the user's own, else the one that ships.

    :returns: None if there is none.
    :raises CalibrationProblem: if there is one that cannot be read.
    """
    own = calibrations_folder() / f"{fingerprint}.json"
    if own.is_file():
        return read_fidelity(own)
    for shipped in resources.files("neurosurgeon_ros.models").joinpath("calibrations").iterdir():
        if shipped.name == f"{fingerprint}.json":
            return read_fidelity(shipped)
    return None


def read_fidelity(path: Path | Traversable) -> FidelityTable:
    """
    Read a calibration.

    :raises CalibrationProblem: if it cannot be read, or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']!r}, {FORMAT} is known")
        return FidelityTable(
            model=str(content["model"]),
            fingerprint=str(content["fingerprint"]),
            measure=str(content["measure"]),
            images=str(content["images"]),
            calibrated=int(content["calibrated"]),
            judged=int(content["judged"]),
            arms={str(name): _read_arm(name, arm) for name, arm in content["arms"].items()},
            pixels=max(0.0, float(content.get("pixels", 0.0))),
            limits={str(name): _read_limits(limits) for name, limits in content.get("limits", {}).items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        said = f"{problem.args[0]!r} is missing" if isinstance(problem, KeyError) else str(problem)
        raise CalibrationProblem(
            f"the calibration {path} cannot be read ({said}): delete it, or calibrate again"
        ) from None


def write_fidelity(table: FidelityTable, folder: Path | None = None) -> Path:
    """
    Write a calibration, all or nothing.

    :param folder: made if it is not there; None for the user's.
    :returns: the file.
    :raises CalibrationProblem: if it cannot be written.
    """
    folder = calibrations_folder() if folder is None else folder
    path = folder / f"{table.fingerprint}.json"
    content: dict[str, Any] = {"format": FORMAT, **asdict(table)}
    content["arms"] = {
        name: {key: round(value, 4) for key, value in arm.items()} for name, arm in content["arms"].items()
    }
    content["limits"] = {name: [_short(one) for one in limits] for name, limits in table.limits.items()}
    try:
        write_text_atomically(path, json.dumps(content, indent=1) + "\n")
    except OSError as problem:
        raise CalibrationProblem(f"{path} cannot be written ({problem.strerror})") from None
    return path


def _read_arm(name: str, content: Mapping[str, Any]) -> ArmFidelity:
    arm = ArmFidelity(**{key: float(content[key]) for key in ("fidelity", "low", "high", "sent_bytes")})
    shares = (arm.fidelity, arm.low, arm.high)
    if not all(0.0 <= share <= 1.0 for share in shares) or not (math.isfinite(arm.sent_bytes) and arm.sent_bytes >= 0):
        raise ValueError(f"arm {name!r} has a figure out of its range")
    return arm


def _short(limits: Limits | None) -> dict[str, list[float]] | None:
    """Return limits to five digits."""
    if limits is None:
        return None
    return {key: [float(f"{end:.5g}") for end in ends] for key, ends in (("low", limits.low), ("high", limits.high))}


def _read_limits(content: Sequence[Mapping[str, Any] | None]) -> CrossingLimits:
    return tuple(
        None if one is None else Limits(tuple(map(float, one["low"])), tuple(map(float, one["high"])))
        for one in content
    )
