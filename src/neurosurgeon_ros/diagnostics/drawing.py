# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Draw boxes, names and scores on an image, with a line of text below."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_STATUS_HEIGHT = 22


def draw_detections(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float64],
    names: Sequence[str],
    scores: NDArray[np.float64],
    status: str = "",
) -> NDArray[np.uint8]:
    """
    Draw detections on a copy of an image.

    :param image: BGR, uint8, shape (h, w, 3).
    :param boxes: centre x, centre y, width, height in pixels. Shape (k, 4).
    :param names: class names, k of them.
    :param scores: in [0, 1]. Shape (k,).
    :param status: a line below the image; if empty, there is no line, and the image keeps its height.
    :returns: BGR, uint8, shape (h + 22, w, 3) with a status, otherwise (h, w, 3).
    """
    height, width = image.shape[:2]
    drawn = np.zeros((height + (_STATUS_HEIGHT if status else 0), width, 3), dtype=np.uint8)
    drawn[:height] = image
    scale = max(0.4, min(width, height) / 900)
    for (x, y, w, h), name, score in zip(boxes, names, scores, strict=True):
        colour = _colour(name)
        left, top, right, bottom = (round(v) for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2))
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, 2)
        label = f"{name} {score:.2f}"
        (text_width, text_height), _ = cv2.getTextSize(label, _FONT, scale, 1)
        base = top if top > text_height + 4 else min(height, bottom + text_height + 4)
        cv2.rectangle(drawn, (left, base - text_height - 4), (left + text_width + 2, base), colour, cv2.FILLED)
        cv2.putText(drawn, label, (left + 1, base - 3), _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
    if status:
        cv2.putText(drawn, status, (6, height + 15), _FONT, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
    return drawn


def _colour(name: str) -> tuple[int, int, int]:
    """Return the colour of a class: always the same one, dark enough for white text."""
    hue = sum(31 * index + ord(letter) * 7 for index, letter in enumerate(name)) % 180
    pixel = cv2.cvtColor(np.array([[[hue, 200, 170]]], dtype=np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    return int(pixel[0]), int(pixel[1]), int(pixel[2])
