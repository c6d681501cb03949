# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure the codec table of a network on this machine, with the robot's engine, calibration and delay profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.admission import AUTO, Admission, expand
from neurosurgeon_ros.calibration.arm_table import PSI
from neurosurgeon_ros.calibration.calibrate import bytes_of, encode
from neurosurgeon_ros.calibration.delay_profile import measure_delays
from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, FidelityTable, StreamFidelity, find_fidelity
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import FileProblem
from neurosurgeon_ros.simulation.arms.codec_table import CodecTable

#: Networks of the experiments that have another name in models/.
_MODELS = {"tiny_yolov2": "yolov2_tiny"}


def measure_codecs(
    name: str, images: Sequence[NDArray[np.uint8]], *, repeats: int = 7, fidelity: FidelityTable | None = None
) -> CodecTable:
    """
    Measure every arm whose fidelity is known.

    If the network has a calibration, these are its arms, with the calibration's fidelity and bytes, at each rate if the
    codec has memory. A network without weights gets random weights and has no calibration. Its arms are then those that
    a robot uses without a calibration (lossless codecs and fp16), with fidelity 1 and their mean bytes for `images`.

    Torch uses the calling thread's thread count.

    :param name: one of :data:`~neurosurgeon_ros.simulation.architectures.ARCHITECTURES`.
    :param images: at least one BGR image, shape (H, W, 3); used only without a calibration.
    :param repeats: number of measurements of each step; the fastest counts.
    :param fidelity: the network's calibration; None for the one that a robot would use.
    :raises ValueError: if there is no such network.
    :raises CalibrationProblem: if the calibration is that of another network.
    """
    engine = _engine(_MODELS.get(name, name))
    if fidelity is None:
        fidelity = find_fidelity(engine.fingerprint)
    elif fidelity.fingerprint != engine.fingerprint:
        raise CalibrationProblem(f"the calibration is that of {fidelity.model}, not of {name}: calibrate {name}")
    admission = Admission(fidelity=fidelity)
    every = engine.arms(expand((AUTO,), fidelity), limits=admission.limits)
    known = {} if fidelity is None else {**fidelity.arms, **{arm: fidelity.streams[arm][0] for arm in fidelity.streams}}
    uncalibrated = {arm.name for arm in Admission().admit(engine, every)}
    arms = [arm for arm in every if arm.name in known or arm.name in uncalibrated]
    features = np.array([engine.partitioned.points[arm.point].features for arm in arms], dtype=np.float64)
    if fidelity is None:
        features[:, PSI] = _mean_bytes(engine, arms, images)
    else:
        features[:, PSI] = [admission.expected_bytes(engine, arm, customary=True) for arm in arms]
    return CodecTable(
        name=name,
        arms=tuple(arm.name for arm in arms),
        camera=np.array([arm.sends_image for arm in arms], dtype=np.bool_),
        point=np.array([arm.point for arm in arms], dtype=np.int64),
        features=features,
        profile=measure_delays(engine, arms, repeats=repeats),
        fidelity=np.array([admission.fidelity_of(engine, arm) for arm in arms]),
        low=np.array([known[arm.name].low if arm.name in known and not arm.is_lossless else 1.0 for arm in arms]),
        key_bytes=np.array([admission.expected_key_bytes(engine, arm, customary=True) for arm in arms]),
        streams={arm.name: _at_each_rate(engine, admission, arm) for arm in arms if arm.is_stream},
    )


def _at_each_rate(engine: Engine, admission: Admission, arm: Arm) -> tuple[StreamFidelity, ...]:
    """Return what the calibration knows of an arm with memory, with the bytes of a customary image."""
    assert admission.fidelity is not None
    at_rate = [(one, replace(admission, rate_hz=one.rate_hz)) for one in admission.fidelity.streams[arm.name]]
    return tuple(
        replace(
            one,
            sent_bytes=known.expected_bytes(engine, arm, customary=True),
            key_bytes=known.expected_key_bytes(engine, arm, customary=True),
        )
        for one, known in at_rate
    )


def _mean_bytes(engine: Engine, arms: Sequence[Arm], images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """Return the mean number of bytes that each arm sends per image, shape (n,)."""
    sent = np.zeros((len(images), len(arms)))
    with torch.inference_mode():
        for row, image in zip(sent, images, strict=True):
            x, _ = engine.model.preprocess(image)
            held = engine.partitioned.run_front(x, engine.on_device - 1, keep=range(engine.on_device - 1))
            row[:] = [
                sum(map(bytes_of, encode(engine, arm, held[arm.point], image))) if arm.codec else 0 for arm in arms
            ]
    mean: NDArray[np.float64] = sent.mean(axis=0)
    return mean


def _engine(model: str) -> Engine:
    try:
        return Engine.load(model)
    except FileProblem:
        return Engine.load(model, random_weights=True)
