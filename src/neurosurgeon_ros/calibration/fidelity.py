# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Agreement of each arm's results with the whole network's, as measured by `neurosurgeon calibrate`, and its files.

A calibration is a JSON file named after the fingerprint of its network, in ``calibrations`` in the cache folder. The
package includes the calibrations of its own networks, measured on its own video.
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

#: Version of the file format.
FORMAT = 1

#: The lower end of an arm's interval may be this far below the required agreement: the precision of a few dozen images.
INTERVAL_TOLERANCE = 0.02


#: A judged rate may exceed the camera's by this factor and still be its own: measured rates are never exact.
RATE_MARGIN = 1.05


class CalibrationProblem(ValueError):
    """A calibration cannot be made, read or written; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class ArmFidelity:
    """
    Agreement of one arm with the whole network in fp32.

    :param fidelity: F1 or top-1 agreement, in [0, 1].
    :param low: lower end of its 90 % interval, in [0, 1].
    :param high: upper end, in [0, 1].
    :param sent_bytes: mean number of bytes sent for an image.
    """

    fidelity: float
    low: float
    high: float
    sent_bytes: float

    def reaches(self, min_fidelity: float) -> bool:
        """Return whether the arm may be used if `min_fidelity` is required."""
        return self.low >= min_fidelity - INTERVAL_TOLERANCE


@dataclass(frozen=True, slots=True)
class StreamFidelity(ArmFidelity):
    """
    Agreement of one arm whose codec has memory, at one rate.

    Agreement and `sent_bytes` are those of frames that are no keys.

    :param rate_hz: frames per second of the stream.
    :param key_bytes: mean number of bytes sent for a key.
    """

    rate_hz: float
    key_bytes: float


@dataclass(frozen=True, slots=True, eq=False)
class FidelityTable:
    """
    A calibration.

    :param model: name of the network.
    :param fingerprint: fingerprint of the network's graph, weights and points.
    :param measure: ``f1`` or ``top-1``.
    :param images: description of the images that it was measured on.
    :param calibrated: number of images used to find the limits.
    :param judged: number of images used to measure agreement; arms with limits use only those not used for limits.
    :param arms: agreement of the arms without memory, by name.
    :param pixels: mean number of pixels of an image; 0 if unknown.
    :param limits: limits of quantisation, by name of the arm, for codecs that use limits.
    :param streams: agreement of the arms with memory at each rate, in ascending order, by name; none is empty.
    :param footage: names of what they were measured on; empty if it is unknown.
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
    streams: Mapping[str, tuple[StreamFidelity, ...]] = field(default_factory=dict)
    footage: str = ""

    def stream_at(self, name: str, rate_hz: float) -> StreamFidelity | None:
        """
        Return what is known of an arm with memory for a camera.

        :param rate_hz: the camera's rate; 0 if it is unknown.
        :returns: as :func:`nearest_rate`; None if the arm was not judged.
        """
        judged = self.streams.get(name)
        return None if judged is None else nearest_rate(judged, rate_hz)


def nearest_rate(judged: Sequence[StreamFidelity], rate_hz: float) -> StreamFidelity:
    """
    Return which of the judged rates stands for a camera's rate.

    Fewer frames per second differ more, so the nearest rate that is not above the camera's is used. A camera that is
    slower than all judged rates, or whose rate is unknown, has the lowest.

    :param judged: at least one, in ascending order of the rate.
    :param rate_hz: the camera's rate; 0 if it is unknown.
    """
    return max((one for one in judged if one.rate_hz <= rate_hz * RATE_MARGIN), default=judged[0], key=_rate)


def calibrations_folder() -> Path:
    """Return the folder of the user's calibrations; it may not exist."""
    return cache_folder() / "calibrations"


def find_fidelity(fingerprint: str) -> FidelityTable | None:
    """
    Return the calibration of a network: the user's own, or else the one in the package.

    :returns: None if there is none.
    :raises CalibrationProblem: if there is one that cannot be read, or that belongs to another network.
    """
    own = calibrations_folder() / f"{fingerprint}.json"
    return read_fidelity_of(own, fingerprint) if own.is_file() else find_shipped(fingerprint)


def read_fidelity_of(path: Path, fingerprint: str) -> FidelityTable:
    """
    Read a network's calibration.

    :raises CalibrationProblem: if the file cannot be read, or belongs to another network.
    """
    table = read_fidelity(path)
    if table.fingerprint != fingerprint:
        raise CalibrationProblem(
            f"the calibration {path} belongs to {table.model}, another network: delete it, or calibrate again"
        )
    return table


def find_shipped(fingerprint: str) -> FidelityTable | None:
    """Return the calibration of a network in the package; None if there is none."""
    for shipped in resources.files("neurosurgeon_ros.models").joinpath("calibrations").iterdir():
        if shipped.name == f"{fingerprint}.json":
            return read_fidelity(shipped)
    return None


def read_fidelity(path: Path | Traversable) -> FidelityTable:
    """
    Read a calibration.

    :raises CalibrationProblem: if the file cannot be read, or is not a calibration.
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
            streams={str(name): _read_stream(name, rates) for name, rates in content.get("streams", {}).items()},
            footage=str(content.get("footage", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        said = f"{problem.args[0]!r} is missing" if isinstance(problem, KeyError) else str(problem)
        raise CalibrationProblem(
            f"the calibration {path} cannot be read ({said}): delete it, or calibrate again"
        ) from None


def write_fidelity(table: FidelityTable, folder: Path | None = None) -> Path:
    """
    Write a calibration atomically.

    :param folder: created if it does not exist; None for the user's folder.
    :returns: path of the file.
    :raises CalibrationProblem: if the file cannot be written.
    """
    folder = calibrations_folder() if folder is None else folder
    path = folder / f"{table.fingerprint}.json"
    content: dict[str, Any] = {"format": FORMAT, **asdict(table)}
    content["arms"] = {
        name: {key: round(value, 4) for key, value in arm.items()} for name, arm in content["arms"].items()
    }
    content["streams"] = {
        name: [{key: round(value, 4) for key, value in one.items()} for one in rates]
        for name, rates in content["streams"].items()
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


def _read_stream(name: str, content: Sequence[Mapping[str, Any]]) -> tuple[StreamFidelity, ...]:
    rates = []
    for one in content:
        arm = _read_arm(name, one)
        rate_hz, key_bytes = float(one["rate_hz"]), float(one["key_bytes"])
        if not (0.0 < rate_hz < math.inf and 0.0 <= key_bytes < math.inf):
            raise ValueError(f"arm {name!r} has a figure out of its range")
        shares = (arm.fidelity, arm.low, arm.high, arm.sent_bytes)
        rates.append(StreamFidelity(*shares, rate_hz=rate_hz, key_bytes=key_bytes))
    if not rates:
        raise ValueError(f"arm {name!r} has no rate")
    return tuple(sorted(rates, key=_rate))


def _rate(known: StreamFidelity) -> float:
    return known.rate_hz


def _short(limits: Limits | None) -> dict[str, list[float]] | None:
    """Return limits rounded to five digits."""
    if limits is None:
        return None
    return {key: [float(f"{end:.5g}") for end in ends] for key, ends in (("low", limits.low), ("high", limits.high))}


def _read_limits(content: Sequence[Mapping[str, Any] | None]) -> CrossingLimits:
    return tuple(
        None if one is None else Limits(tuple(map(float, one["low"])), tuple(map(float, one["high"])))
        for one in content
    )
