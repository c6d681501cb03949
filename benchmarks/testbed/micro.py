# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Delay of each step of a frame in isolation: the median, and its ratio to a reference measured in the same run."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from bench_policy import contexts
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from neurosurgeon_ros.calibration.arm_table import build_arm_table
from neurosurgeon_ros.calibration.calibrate import encode
from neurosurgeon_ros.camera.images import from_bgr, to_bgr
from neurosurgeon_ros.codecs import CODECS, CameraImage
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.learning import DEFAULT_POLICY, make_policy
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.models.files import find
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import RobotSettings
from neurosurgeon_ros.robot.processor import FrameProcessor
from neurosurgeon_ros.ros.result_messages import from_detections
from testbed.camera import read_video

#: Width and height of a typical camera's image.
CAMERA_SIZE = (640, 480)


@dataclass(frozen=True, slots=True)
class Cost:
    """
    Delay of one step.

    :param median_ms: median in milliseconds.
    :param reference: name of the reference.
    :param ratio: median divided by the reference's median.
    :param repeats: number of measurements.
    """

    median_ms: float
    reference: str
    ratio: float
    repeats: int


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A step, and the reference that it is compared with."""

    name: str
    run: Callable[[], object]
    reference: str
    reference_run: Callable[[], object]


def steps(engine: Engine, images: Sequence[NDArray[np.uint8]]) -> Iterator[Step]:
    """Return all steps to measure."""
    image = images[0]
    jpeg = "cv2.imencode, jpeg 80, of the same image"
    rounds = iter(range(10**9))
    detector, model = KeyFrameDetector(), engine.model

    def encode_jpeg() -> object:
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])

    def full_ssim() -> object:
        one, other = (cv2.cvtColor(each, cv2.COLOR_BGR2GRAY) for each in images[:2])
        return structural_similarity(one, other)

    def score() -> object:
        return detector.score(images[next(rounds) % len(images)])

    x, letterbox = model.preprocess(image)
    outputs = engine.partitioned.run_whole(x)
    found = model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45)
    whole = "the whole network"
    message = from_bgr(image, None)
    yield Step("key-frame score", score, "full-size SSIM of scikit-image", full_ssim)
    yield Step("preprocess", lambda: model.preprocess(image), jpeg, encode_jpeg)
    yield Step("whole network", lambda: engine.partitioned.run_whole(x), jpeg, encode_jpeg)
    yield Step(
        "postprocess",
        lambda: model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45),
        whole,
        lambda: engine.partitioned.run_whole(x),
    )
    yield Step("image to message", lambda: from_bgr(image, None), "copy of the image", image.copy)
    yield Step("message to image", lambda: to_bgr(message), "copy of the image", image.copy)
    yield Step("detections to message", lambda: from_detections(found, model.labels, None), jpeg, encode_jpeg)
    context = contexts(64, 1)[0]
    policy = make_policy(DEFAULT_POLICY, n_arms=64)
    square = np.eye(7) + 0.1
    yield Step(
        "policy, choice among 64 arms",
        lambda: policy.select(context),
        "numpy.linalg.inv of a 7 × 7 matrix",
        lambda: np.linalg.inv(square),
    )
    decide = Decider(engine, image)
    yield Step("robot, before an image is sent", decide, jpeg, encode_jpeg)
    for arm in engine.arms(tuple(CODECS)):
        if arm.codec and arm.point == 0:
            yield from _codec_steps(engine, arm, x, image, jpeg, encode_jpeg)


class Decider:
    """
    The robot's work on a frame before it is sent, without encoding the image as JPEG.

    The encoding and the key-frame score, which the robot computes after sending, are replaced by stubs. All other steps
    are the robot's own.
    """

    def __init__(self, engine: Engine, image: NDArray[np.uint8]) -> None:
        codec = "camera-jpeg85-420"
        table = build_arm_table(engine, (codec,), speed=0.2, threads=1)
        encoded = engine.encode_image(table.arms[0], CameraImage(image))
        self._engine, self._image, self._sequence = _Encoded(engine, encoded), image, 0
        scores = KeyFrameDetector()
        score = scores.score(image)
        scores.score = lambda image: score  # type: ignore[method-assign]
        self._processor = FrameProcessor(
            identity=Identity("robot", 1),
            engine=self._engine,  # type: ignore[arg-type]
            table=table,
            policy=make_policy(DEFAULT_POLICY, n_arms=len(table.arms)),
            policy_name=DEFAULT_POLICY,
            key_frames=scores,
            link=_Nowhere(),
            sink=_Nowhere(),
            settings=RobotSettings(),
            throttle=Throttle(),
        )

    def __call__(self) -> None:
        """Begin a frame, and discard it."""
        self._sequence += 1
        arrival = Arrival(None, time.monotonic(), lambda: self._image)
        counts = Counts(received=self._sequence, accepted=self._sequence)
        flight = self._processor.begin(arrival, self._image, counts, time.monotonic())
        if flight.request is None:
            raise RuntimeError("the policy sent nothing: the robot's speed no longer makes the edge worth it")
        self._processor.uplink.requests.release(self._sequence)
        self._processor.uplink.requests.forget()


class _Encoded:
    """An engine that returns an image encoded earlier."""

    def __init__(self, engine: Engine, encoded: object) -> None:
        self._engine, self._encoded = engine, encoded

    def __getattr__(self, name: str) -> object:
        return getattr(self._engine, name)

    def encode_image(self, arm: Arm, image: CameraImage) -> object:
        """Return the image encoded earlier."""
        return self._encoded


class _Nowhere:
    """An uplink and a sink that accept and discard everything."""

    lifespan_s = math.inf
    edge_session = 1

    def obstacle(self) -> None:
        """Return None: the edge may be used."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None


def _codec_steps(
    engine: Engine,
    arm: Arm,
    x: torch.Tensor,
    image: NDArray[np.uint8],
    reference: str,
    reference_run: Callable[[], object],
) -> Iterator[Step]:
    name = arm.name
    tensors = engine.partitioned.run_front(x, arm.point)[arm.point]
    encoded = encode(engine, arm, tensors, image)
    yield Step(f"encode {name}", lambda: encode(engine, arm, tensors, image), reference, reference_run)
    yield Step(f"decode {name}", lambda: engine.decode(arm.point, encoded), reference, reference_run)


def measure(step: Step, repeats: int) -> Cost:
    """Run step and reference in turn, so that a drift of the machine affects both."""
    own: list[float] = []
    theirs: list[float] = []
    for number in range(repeats + 3):
        for run, seconds in ((step.run, own), (step.reference_run, theirs)):
            begin = time.perf_counter()
            run()
            if number >= 3:
                seconds.append(time.perf_counter() - begin)
    median = statistics.median(own)
    return Cost(round(1e3 * median, 4), step.reference, round(median / statistics.median(theirs), 4), repeats)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all steps, and write micro.json; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench-micro", description=__doc__, allow_abbrev=False)
    parser.add_argument("--repeats", type=int, default=50, metavar="N", help="measurements of each step (%(default)s)")
    parser.add_argument("--model", default="yolov3_tiny", help="network (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), metavar="DIR", help="folder (%(default)s)")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    images = [cv2.resize(image, CAMERA_SIZE) for image in read_video(str(find("bikes.mp4")), rate_hz=4.0)[:20]]
    costs: dict[str, dict[str, object]] = {}
    with torch.inference_mode():
        for step in steps(Engine.load(arguments.model), images):
            cost = measure(step, arguments.repeats)
            costs[step.name] = asdict(cost)
            print(f"{step.name:<32} {cost.median_ms:9.3f} ms  {cost.ratio:8.3f} x {cost.reference}", flush=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "micro.json").write_text(json.dumps(costs, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
