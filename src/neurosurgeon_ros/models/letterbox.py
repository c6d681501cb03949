# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fit a camera's image into a network's input with its aspect ratio preserved, and map boxes back to the image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

#: Darknet fills the area that the image does not cover with 0.5.
GREY = 128


@dataclass(frozen=True, slots=True)
class Letterbox:
    """
    Placement of an image in the network's input.

    :param image_width: width of the incoming image, in pixels.
    :param image_height: height of the incoming image, in pixels.
    :param scale_x: network pixels per image pixel.
    :param scale_y: network pixels per image pixel.
    :param pad_x: network pixels to the left of the image; below 0 if the image is cropped.
    :param pad_y: network pixels above the image; below 0 if the image is cropped.
    """

    image_width: int
    image_height: int
    scale_x: float
    scale_y: float
    pad_x: float
    pad_y: float

    def to_image(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Map boxes to pixels of the incoming image, and clip them to it.

        :param boxes: centre x, centre y, width, height in network pixels. Shape (k, 4).
        :returns: the same boxes in image pixels. Shape (k, 4).
        """
        half = boxes[:, 2:] / 2
        pad, scale = (self.pad_x, self.pad_y), (self.scale_x, self.scale_y)
        limit = (self.image_width, self.image_height)
        low = np.clip((boxes[:, :2] - half - pad) / scale, 0, limit)
        high = np.clip((boxes[:, :2] + half - pad) / scale, 0, limit)
        return np.concatenate([(low + high) / 2, high - low], axis=1)


def check_image(image: NDArray[np.uint8]) -> None:
    """
    Check an image before pre-processing.

    :raises ValueError: the image is empty or not BGR.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(
            f"An image of {image.dtype} and shape {image.shape} cannot be pre-processed; give BGR as uint8, shape "
            "(height, width, 3)."
        )


def letterbox(image: NDArray[np.uint8], width: int, height: int) -> tuple[torch.Tensor, Letterbox]:
    """
    Fit a BGR image into the input of a network: as large as possible, centred, with grey around it.

    Darknet's detector does the same (``letterbox_image``).

    :param image: BGR, shape (H, W, 3), at least one pixel.
    :param width: width of the network's input.
    :param height: height of the network's input.
    :returns: RGB values 0 to 255 as uint8, shape (1, 3, height, width), channels-last; and the image placement in it.
    :raises ValueError: the image is empty or not BGR.
    """
    check_image(image)
    rows, columns = image.shape[:2]
    scale = min(width / columns, height / rows)
    inner_width, inner_height = max(1, round(columns * scale)), max(1, round(rows * scale))
    left, top = (width - inner_width) // 2, (height - inner_height) // 2
    canvas = np.full((1, height, width, 3), GREY, dtype=np.uint8)
    inner = canvas[0, top : top + inner_height, left : left + inner_width]
    if (inner_width, inner_height) != (columns, rows):
        cv2.resize(image, (inner_width, inner_height), dst=inner, interpolation=cv2.INTER_LINEAR)
        cv2.cvtColor(inner, cv2.COLOR_BGR2RGB, dst=inner)
    else:
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=inner)
    return torch.from_numpy(canvas).permute(0, 3, 1, 2), Letterbox(
        image_width=columns,
        image_height=rows,
        scale_x=inner_width / columns,
        scale_y=inner_height / rows,
        pad_x=float(left),
        pad_y=float(top),
    )
