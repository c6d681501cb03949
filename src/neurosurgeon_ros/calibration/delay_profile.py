# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Delay of each step of a network on this machine, measured at start while the machine is otherwise idle."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch

from neurosurgeon_ros.calibration.stream_trial import StreamTrial
from neurosurgeon_ros.codecs import AS_RECEIVED_VIDEO, CameraImage, CodecError
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.timing import least_seconds
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.partition import profile

#: Shape of the image that delays are measured with: that of a typical camera.
CAMERA_SHAPE = (480, 640, 3)

#: Minimum seconds for which the network is profiled.
PROFILE_S = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class DelayProfile:
    """
    Uncontended delay of each step on this machine, in seconds.

    :param score_s: key-frame score.
    :param preprocess_s: image to input tensor.
    :param front_s: front-end up to each p, shape (P + 1,); front_s[0] = 0, front_s[P] is the whole network.
    :param encode_s: encoding, for each arm; 0 for `on_device`.
    :param decode_s: decoding, for each arm; 0 for `on_device`.
    :param postprocess_s: raw outputs to detections.
    """

    score_s: float
    preprocess_s: float
    front_s: FloatArray
    encode_s: FloatArray
    decode_s: FloatArray
    postprocess_s: float


def measure_delays(engine: Engine, arms: Sequence[Arm], *, repeats: int = 7) -> DelayProfile:
    """
    Measure every step on this machine; the fastest of `repeats` runs counts, which nothing else delayed.

    Torch uses the calling thread's thread count, which must be the one that frames run with.
    """
    image, model = np.random.default_rng(0).integers(0, 256, CAMERA_SHAPE, dtype=np.uint8), engine.model
    with torch.inference_mode():
        x, letterbox = model.preprocess(image)
        front_s = _front_seconds(engine, x, repeats)
        outputs = engine.partitioned.run_whole(x)
        fronts = engine.partitioned.run_front(x, engine.on_device - 1, keep=range(engine.on_device - 1))
        sample, encode_s, decode_s = customary_image(), np.zeros(len(arms)), np.zeros(len(arms))
        for index, arm in enumerate(arms):
            if arm.codec:
                encode_s[index], decode_s[index] = _codec_seconds(engine, arm, fronts[arm.point], sample, repeats)
        key_frames = KeyFrameDetector()
        return DelayProfile(
            score_s=least_seconds(lambda: key_frames.score(image), repeats),
            preprocess_s=least_seconds(lambda: model.preprocess(image), repeats),
            front_s=front_s,
            encode_s=encode_s,
            decode_s=decode_s,
            postprocess_s=least_seconds(
                lambda: model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45), repeats
            ),
        )


def measure_codecs(
    engine: Engine,
    arms: Sequence[Arm],
    known: DelayProfile,
    *,
    repeats: int = 7,
    pause: Callable[[], object] = lambda: None,
) -> DelayProfile:
    """
    Measure the codecs of some arms while a robot runs, and take all other delays from an undisturbed measurement.

    :param known: delays of the same network.
    :param pause: called before each arm.
    """
    x = engine.model.preprocess(np.random.default_rng(0).integers(0, 256, CAMERA_SHAPE, dtype=np.uint8))[0]
    sample, encode_s, decode_s = customary_image(), np.zeros(len(arms)), np.zeros(len(arms))
    points = sorted({arm.point for arm in arms if arm.codec})
    with torch.inference_mode():
        fronts = engine.partitioned.run_front(x, points[-1], keep=points) if points else {}
        for index, arm in enumerate(arms):
            if arm.codec:
                pause()
                encode_s[index], decode_s[index] = _codec_seconds(engine, arm, fronts[arm.point], sample, repeats)
    return replace(known, encode_s=encode_s, decode_s=decode_s)


def _front_seconds(engine: Engine, x: torch.Tensor, repeats: int) -> FloatArray:
    """Profile repeatedly for a while, because other processes may interfere; the fastest pass counts."""
    end = time.perf_counter() + PROFILE_S
    front_s = profile(engine.partitioned, x, repeats=repeats, warmup=2).front_s
    while time.perf_counter() < end:
        front_s = np.minimum(front_s, profile(engine.partitioned, x, repeats=1, warmup=0).front_s)
    return front_s


def _codec_seconds(
    engine: Engine, arm: Arm, tensors: Sequence[torch.Tensor], image: CameraImage, repeats: int
) -> tuple[float, float]:
    """Return the fastest encoding and decoding; with memory, of a frame that builds on one with other values."""
    trial, sent = StreamTrial(engine, arm), []
    for number, moved in enumerate(_successive(image, arm, repeats + 1)):
        shifted = [tensor.roll(number, dims=-1) for tensor in tensors] if arm.is_stream else tensors
        sent.append(trial.send(shifted, moved))
    later = sent[1:]  # the first one is a key, or is slower than the others
    return min((one.encode_s for one in later), default=0.0), min((one.decode_s for one in later), default=0.0)


def customary_image() -> CameraImage:
    """
    Make a camera image of typical size, whose JPEG has about the usual number of bytes and the usual coding time.

    Brightness changes faster from pixel to pixel than colour, as in real camera images.
    """
    height, width, channels = CAMERA_SHAPE
    draw = np.random.default_rng(0)
    light = cv2.resize(draw.uniform(0.0, 255.0, (height // 10, width // 10)), (width, height))
    tint = cv2.resize(draw.uniform(-24.0, 24.0, (height // 24, width // 24, channels)), (width, height))
    pixels = np.clip(light[:, :, None] + tint, 0.0, 255.0).astype(np.uint8)
    return CameraImage(pixels, cv2.imencode(".jpg", pixels)[1].data)


def _successive(image: CameraImage, arm: Arm, count: int) -> list[CameraImage]:
    """
    Return successive camera images for an arm; if it sends them with memory, each is shifted by a pixel.

    :returns: the images, with the packets of a video if the arm forwards those; none of them if this build of FFmpeg
        cannot make packets, so that their decoding cannot be measured before the camera sends some.
    """
    if not (arm.is_stream and arm.sends_image):
        return [image] * count
    moved = [CameraImage(np.asarray(np.roll(image.pixels, by, axis=1), dtype=np.uint8)) for by in range(count)]
    if arm.codec != AS_RECEIVED_VIDEO:
        return moved
    from neurosurgeon_ros.codecs.streams.video.received.customary import chains  # imports PyAV, which takes 0.2 s

    try:
        packets = chains([one.pixels for one in moved])
    except CodecError:
        return []
    return [replace(one, video=chain) for one, chain in zip(moved, packets, strict=True)]
