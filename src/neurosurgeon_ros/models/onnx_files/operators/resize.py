# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Resizing of maps, by torch's own operator where it agrees with ONNX, otherwise axis by axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result, check_size

_ROUND: dict[str, Callable[[Any], Any]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


def _resize(node: Node) -> Result:
    shape = node.shape(0)
    axes = [int(axis) % len(shape) for axis in node.attributes.get("axes", range(len(shape)))]
    scales, sizes = node.constant(2), node.constant(3)
    if node.integer("antialias", 0):
        raise Unconvertible("it smooths before it shrinks (antialias)")
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unconvertible("it keeps the aspect ratio")
    wanted, factors = list(shape), [1.0] * len(shape)
    if sizes is not None and sizes.numel():
        for axis, size in zip(axes, sizes.tolist(), strict=True):
            wanted[axis], factors[axis] = int(size), int(size) / shape[axis]
    elif scales is not None and scales.numel():
        for axis, factor in zip(axes, scales.tolist(), strict=True):
            wanted[axis], factors[axis] = math.floor(shape[axis] * factor), float(factor)
    else:
        raise Unconvertible("it has neither scales nor sizes")
    check_size(wanted)
    changed = [axis for axis, size in enumerate(wanted) if size != shape[axis] or factors[axis] != 1.0]
    if not changed:
        return node.x
    whole = _whole(node, changed, wanted, factors)
    if whole is not None:
        return whole
    x = node.x
    for axis in changed:
        x = _along(node, x, axis, wanted[axis], factors[axis])
    return x


def _whole(node: Node, changed: list[int], wanted: list[int], factors: list[float]) -> Value | None:
    """Resize maps by one call of torch; None if torch computes something else."""
    shape, mode = node.shape(0), node.text("mode", "nearest")
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    if len(shape) != 4 or changed[0] < 2:
        return None
    if mode == "nearest":
        for axis in (2, 3):
            theirs = np.arange(wanted[axis]) * shape[axis] // wanted[axis]
            if not np.array_equal(_nearest(node, shape[axis], wanted[axis], factors[axis]), theirs):
                return None
        return node.call(functional.interpolate, node.x, wanted[2:], mode="nearest")
    exact = all(math.isclose(wanted[axis], shape[axis] * factors[axis]) for axis in (2, 3))
    half = coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and min(wanted[2:]) > 1)
    kinds = {"linear": "bilinear", "cubic": "bicubic"}
    usual = mode == "linear" or (
        node.number("cubic_coeff_a", -0.75) == -0.75 and not node.integer("exclude_outside", 0)
    )
    if mode not in kinds or not usual or not exact or not (half or coordinates == "align_corners"):
        return None
    return node.call(functional.interpolate, node.x, wanted[2:], mode=kinds[mode], align_corners=not half)


def _along(node: Node, x: Value, axis: int, size: int, factor: float) -> Value:
    """Resize along one axis."""
    given = node.shape(0)[axis]
    mode = node.text("mode", "nearest")
    if mode == "nearest":
        places = torch.from_numpy(_nearest(node, given, size, factor))
        found: Value = node.call(torch.index_select, x, axis, places)
        return found
    if mode not in ("linear", "cubic"):
        raise Unconvertible(f"its mode {mode!r} is not known")
    table = torch.from_numpy(_weights(node, mode, given, size, factor).astype(np.float32))
    last = node.call(torch.movedim, x, axis, -1)
    return node.call(torch.movedim, node.call(functional.linear, last, table), -1, axis)


def _coordinates(node: Node, given: int, size: int, scale: float) -> NDArray[np.float32]:
    """Return the place in the input, in elements, of each element of the result; in float32, like onnxruntime."""
    index, factor = np.arange(size, dtype=np.float32), np.float32(scale)
    mode = node.text("coordinate_transformation_mode", "half_pixel")
    if mode == "half_pixel":
        return (index + 0.5) / factor - 0.5
    if mode == "pytorch_half_pixel":
        return (index + 0.5) / factor - 0.5 if size > 1 else np.zeros(size, np.float32)
    if mode == "half_pixel_symmetric":
        centre, adjusted = np.float32(given / 2), np.float32(size) / (np.float32(given) * factor)
        return centre * (1 - adjusted) + (index + 0.5) / factor - 0.5
    if mode == "align_corners":
        return index * np.float32(given - 1) / np.float32(size - 1) if size > 1 else np.zeros(size, np.float32)
    if mode == "asymmetric":
        return index / factor
    raise Unconvertible(f"its coordinate_transformation_mode {mode!r} is not known")


def _nearest(node: Node, given: int, size: int, factor: float) -> NDArray[np.int64]:
    mode = node.text("nearest_mode", "round_prefer_floor")
    if mode not in _ROUND:
        raise Unconvertible(f"its nearest_mode {mode!r} is not known")
    rounded = _ROUND[mode](_coordinates(node, given, size, factor))
    places: NDArray[np.int64] = np.clip(rounded, 0, given - 1).astype(np.int64)
    return places


def _weights(node: Node, mode: str, given: int, size: int, factor: float) -> NDArray[np.float64]:
    """Return the share of each element of the input in each element of the result. Shape (size, given)."""
    place = _coordinates(node, given, size, factor).astype(np.float64)
    if mode == "linear":
        place = np.clip(place, 0, given - 1)
        taps = range(2)
    else:
        taps = range(-1, 3)
    low = np.floor(place)
    table = np.zeros((size, given))
    rows = np.arange(size)
    for tap in taps:
        distance = np.abs(place - (low + tap))
        share = 1 - distance if mode == "linear" else _cubic(distance, node.number("cubic_coeff_a", -0.75))
        column = (low + tap).astype(np.int64)
        if node.integer("exclude_outside", 0):
            share = np.where((column < 0) | (column >= given), 0.0, share)
        np.add.at(table, (rows, np.clip(column, 0, given - 1)), share)
    shares: NDArray[np.float64] = table / table.sum(axis=1, keepdims=True)
    return shares


def _cubic(distance: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """Return the weights of cubic convolution (Keys 1981)."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


OPERATORS: dict[str, Convert] = {"Resize": _resize}
