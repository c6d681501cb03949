# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The progress of a robot's own calibration, kept in the cache folder so that a restart goes on with it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, calibrations_folder
from neurosurgeon_ros.calibration.online.evidence import Evidence
from neurosurgeon_ros.codecs.limits import CrossingLimits, Limits

#: Version of the file format.
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Screened:
    """
    What an arm costs, measured on a frame or two.

    :param robot_s: seconds of encoding on the robot; for a codec with memory, of encoding and decoding.
    :param decode_s: seconds of decoding; 0 for a codec with memory.
    :param sent_bytes: bytes of a frame that is no key.
    """

    robot_s: float
    decode_s: float
    sent_bytes: float


#: What `on_device` costs beyond the network.
NOTHING = Screened(0.0, 0.0, 0.0)


@dataclass(slots=True)
class Progress:
    """
    What a calibration has found so far.

    :ivar fingerprint: of the network.
    :ivar frames: number of frames that the robot saw.
    :ivar judged: number of images on which arms were judged.
    :ivar empty: how many of them have no objects.
    :ivar limit_images: number of images that gave the limits of quantisation.
    :ivar pixels: sum of the pixels of the judged images.
    :ivar published: description in the calibration that was written last; empty if none was.
    :ivar screened: by name of the arm.
    :ivar evidence: by name of the arm.
    :ivar limits: by name of the arm.
    :ivar dropped: arms that cannot be used, or cannot carry these frames.
    """

    fingerprint: str
    frames: int = 0
    judged: int = 0
    empty: int = 0
    limit_images: int = 0
    pixels: int = 0
    published: str = ""
    screened: dict[str, Screened] = field(default_factory=dict)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    limits: dict[str, CrossingLimits] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    @property
    def newest_block(self) -> int:
        """Return the number of the last second of which something was judged; -1 if nothing was."""
        return max((block for one in self.evidence.values() for block in one.blocks), default=-1)


def progress_path(fingerprint: str) -> Path:
    """Return the file of a network's progress; it may not exist."""
    return calibrations_folder() / f"{fingerprint}.progress.json"


def write_progress(progress: Progress) -> None:
    """
    Write the file atomically.

    :raises CalibrationProblem: if it cannot be written.
    """
    content: dict[str, Any] = {"format": FORMAT}
    content.update({name: getattr(progress, name) for name in ("fingerprint", "published", *_COUNTS)})
    content["screened"] = {name: asdict(one) for name, one in progress.screened.items()}
    content["evidence"] = {name: one.as_json() for name, one in progress.evidence.items()}
    content["limits"] = {
        name: [None if one is None else asdict(one) for one in limits] for name, limits in progress.limits.items()
    }
    content["dropped"] = sorted(progress.dropped)
    path = progress_path(progress.fingerprint)
    try:
        write_text_atomically(path, json.dumps(content) + "\n")
    except OSError as problem:
        raise CalibrationProblem(f"{path} cannot be written ({problem.strerror})") from None


def read_progress(fingerprint: str) -> Progress:
    """
    Read the progress of a network's calibration; it is empty if there is none.

    :raises CalibrationProblem: if there is a file that is not the progress of this network.
    """
    path = progress_path(fingerprint)
    if not path.exists():
        return Progress(fingerprint)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"it has format {content['format']!r}, {FORMAT} is known")
        if content["fingerprint"] != fingerprint:
            raise ValueError("it belongs to another network")
        found = Progress(
            fingerprint,
            published=str(content["published"]),
            screened={str(name): _read_screened(one) for name, one in content["screened"].items()},
            evidence={str(name): Evidence.from_json(one) for name, one in content["evidence"].items()},
            limits={str(name): _read_limits(one) for name, one in content["limits"].items()},
            dropped={str(name) for name in content["dropped"]},
        )
        for name in _COUNTS:
            count = int(content[name])
            if count < 0:
                raise ValueError(f"{name} is out of its range")
            setattr(found, name, count)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
        said = f"{problem.args[0]!r} is missing" if isinstance(problem, KeyError) else str(problem)
        raise CalibrationProblem(f"the progress {path} cannot be read ({said}), so calibration begins again") from None
    return found


def remove_progress(fingerprint: str) -> None:
    """
    Remove the file, if there is one.

    :raises CalibrationProblem: if it cannot be removed.
    """
    path = progress_path(fingerprint)
    try:
        path.unlink(missing_ok=True)
    except OSError as problem:
        raise CalibrationProblem(f"{path} cannot be removed ({problem.strerror})") from None


def _read_screened(content: dict[str, Any]) -> Screened:
    screened = Screened(**{name: float(content[name]) for name in ("robot_s", "decode_s", "sent_bytes")})
    if not all(math.isfinite(one) and one >= 0.0 for one in asdict(screened).values()):
        raise ValueError("an arm has a figure out of its range")
    return screened


def _read_limits(content: list[dict[str, Any] | None]) -> CrossingLimits:
    return tuple(
        None if one is None else Limits(tuple(map(float, one["low"])), tuple(map(float, one["high"])))
        for one in content
    )


_COUNTS = ("frames", "judged", "empty", "limit_images", "pixels")
