# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Agreement of detections with those of the whole fp32 network on the same camera images."""

from __future__ import annotations

import contextlib
import functools
import json
import math
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
from neurosurgeon_ros.calibration.fidelity import INTERVAL_TOLERANCE, read_fidelity
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections
from testbed.h264_stream import KEY_DISTANCE
from testbed.stream_accuracy import FittedStream, fit_streams, stream_effect

#: JPEG qualities among which the lowest one that agrees well enough is searched.
QUALITIES = (10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 92, 94, 96, 98)

#: Minimum agreement of an alternative that this package is compared with.
LEAST_F1 = 0.95

#: Maximum number of images in which the effect of a compression is judged.
MOST_JUDGED = 240


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    Detections of the whole network, and the effect of JPEG and H.264 on them.

    :param key: identifies the network and the images.
    :param f1_80: F1 of the camera's images after JPEG of quality 80.
    :param lowest_quality: lowest JPEG quality that agrees well enough.
    :param streams: qualities of H.264 that agree well enough, and as well as JPEG of quality 80.
    :param found: boxes, scores and classes of each image.
    """

    key: str
    f1_80: float
    lowest_quality: int
    streams: tuple[FittedStream, ...]
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
    Return the detections of the whole network in the camera's images, and the effect of JPEG and H.264 on them.

    :param cache: file that keeps the result, because it is always the same and takes minutes.
    """
    key = f"{engine.fingerprint} {zlib.crc32(b''.join(image.tobytes() for image in images)):08x}"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        read = json.loads(cache.read_text(encoding="utf-8"))
        kept = Judgement(**{**read, "streams": tuple(FittedStream(**one) for one in read["streams"])})
        if kept.key == key:
            return Reference(engine.model.labels, tuple(_to_detections(*one) for one in kept.found)), kept
    reference = make_reference(engine, images)
    f1_of = functools.cache(lambda quality: jpeg_f1(engine, reference, images, quality))
    found = tuple((one.boxes.tolist(), one.scores.tolist(), one.classes.tolist()) for one in reference.found)
    streams = fit_streams(
        lambda preset, crf: stream_effect(
            functools.partial(detect, engine),
            reference.found,
            images,
            judged_images(len(images)),
            preset=preset,
            crf=crf,
        ),
        [(LEAST_F1, f"F1 ≥ {LEAST_F1}"), (f1_of(80), f"the F1 of jpeg 80, {f1_of(80):.3f}")],
    )
    made = Judgement(key, f1_of(80), lowest_quality(f1_of), streams, found)
    cache.write_text(json.dumps(asdict(made)), encoding="utf-8")
    return reference, made


def make_reference(engine: Engine, frames: Sequence[NDArray[np.uint8]]) -> Reference:
    """Run the whole network on every image."""
    return Reference(engine.model.labels, tuple(detect(engine, frame) for frame in frames))


def jpeg_f1(engine: Engine, reference: Reference, frames: Sequence[NDArray[np.uint8]], quality: int) -> float:
    """Return F1 of the judged images after JPEG of this quality."""
    matches = []
    for number in judged_images(len(frames)):
        _, data = cv2.imencode(".jpg", frames[number], [cv2.IMWRITE_JPEG_QUALITY, quality])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)
        matches.append(match_detections(reference.found[number], detect(engine, image)))
    return f1(matches)


def judged_images(count: int) -> range:
    """
    Return the numbers of the images in which a compression is judged: all of them, or spread evenly.

    The step has no common divisor with the distance of a stream's keys, so that keys are judged as often as others.
    """
    step = max(1, math.ceil(count / MOST_JUDGED))
    while math.gcd(step, KEY_DISTANCE) > 1:
        step += 1
    return range(0, count, step)


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


def fidelity_with_jpeg(calibration: Path, quality: int) -> float | None:
    """
    Return the largest `min_fidelity` with which this package may send the camera's image as JPEG of this quality.

    :param calibration: file of this package's calibration.
    :returns: None if it does not include that JPEG.
    """
    arm = read_fidelity(calibration).arms.get(f"input/camera-jpeg{quality}-420")
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
