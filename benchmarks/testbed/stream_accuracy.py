# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The crf of each preset with the fewest bytes at a given agreement with the whole fp32 network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.agreement import f1, match_detections
from neurosurgeon_ros.models import Detections
from testbed.h264_stream import H264Decoder, H264Encoder

#: Presets of x264 that are compared.
PRESETS = ("ultrafast", "veryfast")

#: Qualities among which the highest one that agrees well enough is searched. A higher one takes fewer bytes.
CRFS = (8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 32, 34, 36)


class Effect(NamedTuple):
    """
    Effect of a stream on the detections.

    :param f1: agreement with the detections in the images as they are.
    :param mean_bytes: mean size of a packet, keys included.
    """

    f1: float
    mean_bytes: float


@dataclass(frozen=True, slots=True)
class FittedStream:
    """
    A preset with the crf that was found for it.

    :param preset: preset of x264.
    :param crf: highest crf with the wanted agreement, or the one with the best agreement if none has it.
    :param f1: its agreement.
    :param mean_bytes: mean size of a packet, keys included.
    :param in_words: how the crf was found, for the report.
    """

    preset: str
    crf: int
    f1: float
    mean_bytes: float
    in_words: str


def fit_streams(
    effect_of: Callable[[str, int], Effect], wanted: Sequence[tuple[float, str]]
) -> tuple[FittedStream, ...]:
    """
    Find the crf of each preset for each wanted agreement; a crf that is found twice is returned once.

    :param effect_of: returns the effect of a preset and a crf.
    :param wanted: least F1, and what it is in words.
    """
    fitted: dict[tuple[str, int], FittedStream] = {}
    for preset in PRESETS:
        effects: dict[int, Effect] = {}

        def f1_of(crf: int, preset: str = preset, effects: dict[int, Effect] = effects) -> float:
            if crf not in effects:
                effects[crf] = effect_of(preset, crf)
            return effects[crf].f1

        for least_f1, words in wanted:
            crf, found = highest_crf(f1_of, least_f1), f"the highest crf with {words}"
            if f1_of(crf) < least_f1:
                crf, found = max(effects, key=f1_of), f"the best F1 that was found, because no crf has {words}"
            fitted.setdefault((preset, crf), FittedStream(preset, crf, *effects[crf], found))
    return tuple(fitted.values())


def highest_crf(f1_of: Callable[[int], float], least_f1: float) -> int:
    """
    Find the highest crf with F1 of at least `least_f1` by bisection. Returns the lowest crf if none has.

    :param f1_of: returns F1 of a crf; it is assumed to decrease with the crf.
    """
    low, high = 0, len(CRFS) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if f1_of(CRFS[middle]) >= least_f1:
            low = middle
        else:
            high = middle - 1
    return CRFS[low]


def stream_effect(
    detect: Callable[[NDArray[np.uint8]], Detections],
    expected: Sequence[Detections],
    images: Sequence[NDArray[np.uint8]],
    judged: Sequence[int],
    *,
    preset: str,
    crf: int,
) -> Effect:
    """
    Play all images as one stream, and compare the detections in some of them.

    :param detect: runs the whole network.
    :param expected: detections in each image as it is.
    :param images: consecutive images at the camera's rate.
    :param judged: numbers of the images to compare.
    """
    encoder, decoder, compared = H264Encoder(preset, crf), H264Decoder(), set(judged)
    matches, sent = [], 0
    for number, image in enumerate(images):
        packet = encoder.encode(image)
        sent += packet.nbytes
        decoded = decoder.decode(packet)
        if number in compared:
            matches.append(match_detections(expected[number], detect(decoded)))
    return Effect(f1(matches), sent / len(images))
