# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The calibration that a user makes of the camera's scene, with `neurosurgeon calibrate`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.calibrate import calibrate
from neurosurgeon_ros.calibration.calibrate_streams import calibrate_streams
from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, read_fidelity_of, write_fidelity
from neurosurgeon_ros.calibration.footage import Footage, spread
from neurosurgeon_ros.inference.engine import Engine

#: Maximum number of images for the arms without memory, the default of `neurosurgeon calibrate`.
MOST_IMAGES = 100


def own_calibration(
    engine: Engine,
    images: Sequence[NDArray[np.uint8]],
    *,
    rate_hz: float,
    described: str,
    folder: Path,
    say: Callable[[str], None],
) -> Path:
    """
    Calibrate the network on the camera's images, or keep the calibration of an earlier run.

    :param images: successive images, BGR, shape (H, W, 3).
    :param rate_hz: images per second.
    :param described: names the images; an earlier calibration of images with this name is kept.
    :param folder: holds the calibration.
    :param say: called with the progress from time to time.
    :returns: path of the calibration.
    """
    path = folder / f"{engine.fingerprint}.json"
    with contextlib.suppress(CalibrationProblem):
        if read_fidelity_of(path, engine.fingerprint).images == described:
            return path

    def read(begin: int) -> Iterator[NDArray[np.uint8]]:
        return iter(images[begin:])

    footage = Footage(rate_hz, len(images), read)
    chosen = spread(len(images), MOST_IMAGES)
    steps = len(chosen) + sum(plan.steps for plan in footage.plans())
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if done % 100 == 0:
            say(f"calibrating on {described}: {done} of {steps} images")

    table = calibrate(engine, [images[index] for index in chosen], described=described, step=step)
    streams = calibrate_streams(engine, [footage], step=step)
    return write_fidelity(replace(table, streams=streams, footage=described), folder)
