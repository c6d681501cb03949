# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The position of an image in the network's input, and the conversion back."""

from __future__ import annotations

import numpy as np
import pytest

from neurosurgeon_ros.models.letterbox import GREY, Letterbox, letterbox


def solid(height: int, width: int) -> np.ndarray:
    """Return a blue BGR image."""
    return np.full((height, width, 3), (250, 20, 5), dtype=np.uint8)


def test_a_wide_image_is_scaled_and_lies_in_the_middle() -> None:
    tensor, box = letterbox(solid(272, 640), 416, 416)
    assert box == Letterbox(640, 272, 416 / 640, 177 / 272, 0.0, 119.0)
    image = tensor[0].permute(1, 2, 0).numpy()
    assert np.all(image[119 : 119 + 177] == (5, 20, 250))
    assert np.all(image[:119] == GREY)
    assert np.all(image[119 + 177 :] == GREY)


def test_a_tall_image_has_grey_at_the_sides() -> None:
    tensor, box = letterbox(solid(100, 25), 40, 40)
    assert (box.scale_x, box.scale_y, box.pad_x, box.pad_y) == (0.4, 0.4, 15.0, 0.0)
    assert np.all(tensor[0, :, :, :15].numpy() == GREY)
    assert np.all(tensor[0, :, :, 15:25].numpy() == np.array([5, 20, 250])[:, None, None])


def test_an_image_of_the_right_size_is_only_turned_to_rgb() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    tensor, box = letterbox(image, 8, 8)
    assert np.array_equal(tensor[0].permute(1, 2, 0).numpy(), image[:, :, ::-1])
    assert box == Letterbox(8, 8, 1.0, 1.0, 0.0, 0.0)


def test_an_image_with_padded_rows_is_read_right() -> None:
    image = np.random.default_rng(0).integers(0, 256, (6, 10, 3), dtype=np.uint8)[:, :8]
    tensor, _ = letterbox(image, 16, 16)
    expected, _ = letterbox(np.ascontiguousarray(image), 16, 16)
    assert np.array_equal(tensor.numpy(), expected.numpy())


@pytest.mark.parametrize("size", [(272, 640), (480, 640), (1080, 1920), (641, 17), (1, 1)])
def test_boxes_come_back(size: tuple[int, int]) -> None:
    height, width = size
    _, box = letterbox(solid(height, width), 416, 416)
    boxes = np.array([[width / 2, height / 2, width / 4, height / 8], [width / 4, height / 4, width / 3, height / 5]])
    scale, pad = (box.scale_x, box.scale_y), (box.pad_x, box.pad_y)
    in_network = np.concatenate([boxes[:, :2] * scale + pad, boxes[:, 2:] * scale], axis=1)
    assert np.allclose(box.to_image(in_network), boxes)


def test_boxes_are_clipped_to_the_image() -> None:
    box = Letterbox(100, 50, 2.0, 2.0, 0.0, 50.0)
    # A box from (-20, 20) to (60, 120) in network pixels covers the image's upper left corner.
    assert np.allclose(box.to_image(np.array([[20.0, 70.0, 80.0, 100.0]])), [[15.0, 17.5, 30.0, 35.0]])


@pytest.mark.parametrize(
    "image",
    [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3))],
)
def test_what_is_no_bgr_image_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="cannot be pre-processed; give BGR as uint8"):
        letterbox(image, 416, 416)
