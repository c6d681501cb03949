# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure how well each arm agrees with the whole network, and how much it sends, on a user's own images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.agreement import LEAST_SCORE, Matches, bootstrap, f1, match_detections, match_top_1
from neurosurgeon_ros.calibration.fidelity import ArmFidelity, CalibrationProblem, FidelityTable
from neurosurgeon_ros.calibration.footage import spread
from neurosurgeon_ros.codecs import CODECS, CameraImage, EncodedTensor, get_codec
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.models.classification import Classification

#: Overlap above which the weaker box of a class is suppressed, as by default on a robot.
SUPPRESSION_IOU = 0.45

#: Maximum number of images used to find limits of quantisation.
FITTED_TO = 16


class Judge:
    """
    Detects objects in outputs of a network, and compares them.

    :ivar measure: ``top-1`` for a classification, otherwise ``f1``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_top_1 = isinstance(engine.model.postprocess, Classification)
        self.measure = "top-1" if self._is_top_1 else "f1"

    def match(self, whole: Detections, other: Detections) -> Matches:
        """Match the detections of two outputs for one image."""
        return match_top_1(whole, other) if self._is_top_1 else match_detections(whole, other)

    def detect(self, outputs: Any, letterbox: Letterbox) -> Detections:
        """
        Return the detections in outputs.

        :param letterbox: how the image was fitted into the network's input.
        """
        confidence = 0.0 if self._is_top_1 else LEAST_SCORE
        return self._engine.model.postprocess(outputs, letterbox, confidence=confidence, iou=SUPPRESSION_IOU)


def calibrate(
    engine: Engine, images: Sequence[NDArray[np.uint8]], *, described: str, step: Callable[[], None] = lambda: None
) -> FidelityTable:
    """
    Measure every arm without memory on the images.

    Limits of quantisation are found on half of the images, and arms with such limits are measured on the other half.
    Other arms are measured on all images. One pass through the network serves all arms of an image: each arm continues
    from the tensors at its partition point. An arm with calibrated limits is left out if another arm of its point sends
    no more and agrees as well.

    :param images: BGR, shape (H, W, 3), at least two.
    :param described: description of the images.
    :param step: called after each image.
    :raises CalibrationProblem: if there are fewer than two images.
    """
    if len(images) < 2:
        raise CalibrationProblem(f"a calibration needs at least 2 images, {len(images)} came: give more")
    held_out = judging(len(images))
    limits = fit_limits(engine, [image for image, judges in zip(images, held_out, strict=True) if not judges])
    arms = [arm for arm in engine.arms(CODECS, limits=limits) if arm.codec]
    sent: dict[str, list[int]] = {arm.name: [] for arm in arms}
    matches: dict[str, list[Matches]] = {arm.name: [] for arm in arms if not arm.is_lossless}
    judge = Judge(engine)
    with torch.inference_mode():
        for number, image in enumerate(images):
            x, letterbox = engine.model.preprocess(image)
            held = engine.partitioned.run_front(x, engine.on_device, keep=range(engine.on_device))
            whole = judge.detect(held[engine.on_device], letterbox)
            for arm in arms:
                encoded = encode(engine, arm, held[arm.point], image)
                sent[arm.name].append(sum(map(bytes_of, encoded)))
                if arm.name in matches and (held_out[number] or not get_codec(arm.codec).calibrated):
                    other = judge.detect(through(engine, arm, encoded), letterbox)
                    matches[arm.name].append(judge.match(whole, other))
            step()
    measured = {arm: _judged(matches.get(arm.name), sent[arm.name]) for arm in arms}
    agreement = {arm: _on_the_same(matches.get(arm.name), held_out) for arm in arms}
    kept = {arm.name: known for arm, known in measured.items() if _is_worth_keeping(arm, measured, agreement)}
    return FidelityTable(
        model=engine.model.name,
        fingerprint=engine.fingerprint,
        measure=judge.measure,
        images=described,
        calibrated=int(np.sum(~held_out)),
        judged=len(images),
        arms=kept,
        pixels=float(np.mean([image.shape[0] * image.shape[1] for image in images])),
        limits={name: limit for name, limit in limits.items() if name in kept},
    )


def fit_limits(engine: Engine, images: Sequence[NDArray[np.uint8]]) -> dict[str, CrossingLimits]:
    """
    Find the limits of every codec that uses limits, at every partition point.

    :param images: BGR, shape (H, W, 3); an evenly spread selection of them is used.
    :returns: limits by name of the arm.
    """
    with torch.inference_mode():
        inputs = [engine.model.preprocess(images[index])[0] for index in spread(len(images), FITTED_TO)]
        held = [engine.partitioned.run_front(x, engine.on_device - 1, range(engine.on_device - 1)) for x in inputs]
    found: dict[str, CrossingLimits] = {}
    for codec in (codec for codec in map(get_codec, CODECS) if codec.calibrated):
        for point in engine.partitioned.points[: engine.on_device]:
            limits = tuple(
                codec.fit([tensors[point.index][index] for tensors in held], spec) if codec.accepts(spec) else None
                for index, spec in enumerate(point.tensors)
            )
            if any(limit is not None for limit in limits):
                found[f"{point.name}/{codec.name}"] = limits
    return found


def judging(count: int, *, seed: int = 0) -> NDArray[np.bool_]:
    """
    Return which images are used to judge arms: one of each two neighbours, drawn at random.

    Every other image would be a biased choice, because it can coincide with the period of a video's compression.
    """
    judges = np.zeros(count, dtype=np.bool_)
    pairs = count // 2
    judges[2 * np.arange(pairs) + np.random.default_rng(seed).integers(0, 2, pairs)] = True
    return judges


def encode(
    engine: Engine, arm: Arm, tensors: Sequence[torch.Tensor], image: NDArray[np.uint8]
) -> tuple[EncodedTensor, ...]:
    """Encode the data that an arm sends: the image, or the tensors at the arm's point."""
    if arm.camera_codec is not None:
        return engine.encode_image(arm, CameraImage(image))
    return engine.encode(arm, tensors)


def through(engine: Engine, arm: Arm, encoded: Sequence[EncodedTensor]) -> object:
    """Return the network's outputs for the data that an arm sends."""
    return engine.partitioned.run_back(engine.decode(arm.point, encoded), arm.point)


def bytes_of(encoded: EncodedTensor) -> int:
    """Return the number of bytes that are sent for a tensor."""
    return encoded.data.nbytes


def _on_the_same(matches: Sequence[Matches] | None, held_out: NDArray[np.bool_]) -> float:
    """Return an arm's agreement on the images that were not used to find limits, on which all arms were measured."""
    if matches is None:
        return 1.0
    if len(matches) < len(held_out):
        return f1(matches)
    return f1([match for match, counts in zip(matches, held_out, strict=True) if counts])


def _is_worth_keeping(arm: Arm, measured: Mapping[Arm, ArmFidelity], agreement: Mapping[Arm, float]) -> bool:
    """Return whether an arm uses no limits, or no other arm of its point agrees as well with no more bytes."""

    def cost(other: Arm) -> tuple[float, bool]:
        # If limits change nothing, keep the arm without limits.
        return measured[other].sent_bytes, get_codec(other.codec).calibrated

    return not get_codec(arm.codec).calibrated or not any(
        other.point == arm.point and cost(other) < cost(arm) and agreement[other] >= agreement[arm]
        for other in measured
    )


def _judged(matches: Sequence[Matches] | None, sent: Sequence[int]) -> ArmFidelity:
    sent_bytes = float(np.mean(sent))
    if matches is None:
        return ArmFidelity(1.0, 1.0, 1.0, sent_bytes)
    return ArmFidelity(f1(matches), *bootstrap([matches]), sent_bytes)
