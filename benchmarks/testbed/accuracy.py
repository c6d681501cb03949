# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Agreement of detections with those of the whole fp32 network on the same camera images."""

from __future__ import annotations

import contextlib
import functools
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.agreement import f1, match_detections
from neurosurgeon_ros.calibration.fidelity import INTERVAL_TOLERANCE, find_fidelity
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections

#: JPEG qualities among which the lowest one that agrees well enough is searched.
QUALITIES = (10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 92, 94, 96, 98)

#: Minimum agreement of an alternative that this package is compared with.
LEAST_F1 = 0.95


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    Detections of the whole network, and the effect of JPEG on them.

    :param key: identifies the network and the images.
    :param f1_80: F1 of the camera's images after JPEG of quality 80.
    :param lowest_quality: lowest JPEG quality that agrees well enough.
    :param found: boxes, scores and classes of each image.
    """

    key: str
    f1_80: float
    lowest_quality: int
    found: tuple[tuple[list[list[float]], list[float], list[int]], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """
    Detections of the whole fp32 network in each image.

    :param labels: names of the classes.
    :param found: detections of each image.
    """

    labels: tuple[str, ...]
    found: tuple[Detections, ...]

    def f1(self, frames: Sequence[dict[str, Any]]) -> float:
        """Return F1 of those frames that were answered."""
        index = {name: number for number, name in enumerate(self.labels)}
        matches = []
        for frame in frames:
            if "answered_s" not in frame:
                continue
            found = _to_detections(frame["boxes"], frame["scores"], [index[name] for name in frame["names"]])
            matches.append(match_detections(self.found[frame["video_frame"]], found))
        return f1(matches)


def judge(engine: Engine, images: Sequence[NDArray[np.uint8]], cache: Path) -> tuple[Reference, Judgement]:
    """
    Return the detections of the whole network in the camera's images, and the effect of JPEG on them.

    :param cache: file that keeps the result, because it is always the same and takes most of a minute.
    """
    key = f"{engine.fingerprint} {zlib.crc32(b''.join(image.tobytes() for image in images)):08x}"
    with contextlib.suppress(OSError, ValueError, TypeError):
        kept = Judgement(**json.loads(cache.read_text(encoding="utf-8")))
        if kept.key == key:
            return Reference(engine.model.labels, tuple(_to_detections(*one) for one in kept.found)), kept
    reference = make_reference(engine, images)
    f1_of = functools.cache(lambda quality: jpeg_f1(engine, reference, images, quality))
    found = tuple((one.boxes.tolist(), one.scores.tolist(), one.classes.tolist()) for one in reference.found)
    made = Judgement(key, f1_of(80), lowest_quality(f1_of), found)
    cache.write_text(json.dumps(asdict(made)), encoding="utf-8")
    return reference, made


def make_reference(engine: Engine, frames: Sequence[NDArray[np.uint8]]) -> Reference:
    """Run the whole network on every image."""
    return Reference(engine.model.labels, tuple(detect(engine, frame) for frame in frames))


def jpeg_f1(engine: Engine, reference: Reference, frames: Sequence[NDArray[np.uint8]], quality: int) -> float:
    """Return F1 of the images after JPEG of this quality."""
    matches = []
    for expected, frame in zip(reference.found, frames, strict=True):
        _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
        matches.append(match_detections(expected, detect(engine, image)))
    return f1(matches)


def lowest_quality(f1_of: Callable[[int], float]) -> int:
    """
    Find the lowest quality with F1 of at least :data:`LEAST_F1` by bisection. Returns the highest quality if none has.

    :param f1_of: returns F1 of a quality; it is assumed to increase with the quality.
    """
    low, high = 0, len(QUALITIES) - 1
    while low < high:
        middle = (low + high) // 2
        if f1_of(QUALITIES[middle]) >= LEAST_F1:
            high = middle
        else:
            low = middle + 1
    return QUALITIES[low]


def fidelity_with_jpeg(engine: Engine, quality: int) -> float | None:
    """
    Return the largest `min_fidelity` with which this package may send the camera's image as JPEG of this quality.

    :returns: None if the network's calibration does not include that JPEG.
    """
    table = find_fidelity(engine.fingerprint)
    arm = table.arms.get(f"input/camera-jpeg{quality}-420") if table else None
    return None if arm is None else arm.low + INTERVAL_TOLERANCE


def detect(engine: Engine, image: NDArray[np.uint8]) -> Detections:
    """Run pre-processing, the whole network and post-processing, as for a frame on the device."""
    with torch.inference_mode():
        x, letterbox = engine.model.preprocess(image)
        outputs = engine.partitioned.run_whole(x)
        return engine.model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45)


def _to_detections(boxes: list[list[float]], scores: list[float], classes: list[int]) -> Detections:
    return Detections(
        boxes=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        scores=np.array(scores, dtype=np.float64),
        classes=np.array(classes, dtype=np.int64),
    )
