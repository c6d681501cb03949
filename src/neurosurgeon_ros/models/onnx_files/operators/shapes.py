# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Operators that arrange elements: their results hold the elements of their inputs in another shape or order."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import fx
from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value, example
from neurosurgeon_ros.models.onnx_files.node import Convert, Node, Result, check_size

#: Modes of padding, and their names in torch.
_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def _shape(node: Node) -> Result:
    shape = node.shape(0)
    end = node.integer("end", len(shape))
    return torch.tensor(shape[node.integer("start", 0) : end], dtype=torch.int64)


def _size(node: Node) -> Result:
    return torch.tensor(math.prod(node.shape(0)), dtype=torch.int64)


def _reshape(node: Node) -> Result:
    wanted, given = node.integers("shape", 1), node.shape(0)
    if wanted is None:
        raise Unconvertible("its shape is missing")
    if not node.integer("allowzero", 0):
        if any(size == 0 and index >= len(given) for index, size in enumerate(wanted)):
            raise Unconvertible(f"its shape {wanted} copies sizes that its input of shape {list(given)} lacks")
        wanted = [given[index] if size == 0 else size for index, size in enumerate(wanted)]
    return node.call(torch.reshape, node.x, wanted)


def _flatten(node: Node) -> Result:
    shape, axis = node.shape(0), node.integer("axis", 1)
    axis += len(shape) if axis < 0 else 0
    if axis == 1 and len(shape) >= 2:
        return node.call(torch.flatten, node.x, 1)
    return node.call(torch.reshape, node.x, (math.prod(shape[:axis]), math.prod(shape[axis:])))


def _squeeze(node: Node) -> Result:
    axes, shape = node.integers("axes", 1), node.shape(0)
    if axes is None:
        return node.call(torch.squeeze, node.x)
    if any(shape[axis] != 1 for axis in axes):
        raise Unconvertible(f"its axes {axes} have more than one element in a value of shape {list(shape)}")
    return node.call(torch.squeeze, node.x, axes[0] if len(axes) == 1 else tuple(axes))


def _unsqueeze(node: Node) -> Result:
    axes = node.integers("axes", 1) or []
    rank = len(node.shape(0)) + len(axes)
    x = node.x
    for axis in sorted(axis % rank for axis in axes):
        x = node.call(torch.unsqueeze, x, axis)
    return x


def _transpose(node: Node) -> Result:
    rank = len(node.shape(0))
    order = [int(one) for one in node.attributes.get("perm", range(rank - 1, -1, -1))]
    return node.call(torch.permute, node.x, order)


def _concat(node: Node) -> Result:
    values = [node.input(index) for index in range(len(node.inputs))]
    return values[0] if len(values) == 1 else node.call(torch.cat, values, node.axis(0))


def _split(node: Node) -> Result:
    axis, sizes = node.axis(0), node.integers("split", 1)
    whole = node.shape(0)[axis]
    if sizes is None:
        count = node.integer("num_outputs", node.outputs)
        each = -(-whole // count)
        sizes = [max(0, min(each, whole - index * each)) for index in range(count)]
    return node.call_for_several(torch.split, node.x, sizes, axis)


def _slice(node: Node) -> Result:
    shape, x = node.shape(0), node.x
    starts, ends = node.integers("starts", 1), node.integers("ends", 2)
    if starts is None or ends is None:
        raise Unconvertible("its starts or ends are missing")
    axes = node.integers("axes", 3) or list(range(len(starts)))
    steps = node.integers("steps", 4) or [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        x = _cut(node, x, axis % len(shape), shape[axis], (start, end, step))
    return x


def _cut(node: Node, x: Value, axis: int, size: int, limits: tuple[int, int, int]) -> Value:
    start, end, step = limits
    found = range(size)[slice(start, end if end >= -size or step > 0 else None, step)]
    if found == range(size):
        return x
    if step > 0:
        cut: Value = node.call(_slice_of(), x, axis, found.start, max(found.start, found.stop), step)
        return cut
    if not found:
        return node.call(torch.narrow, x, axis, 0, 0)
    first, last = found[-1], found[0]
    cut = node.call(_slice_of(), x, axis, first, last + 1, -step)
    return node.call(torch.flip, cut, [axis])


def _slice_of() -> torch._ops.OpOverload:
    return torch.ops.aten.slice.Tensor


def _expand(node: Node) -> Result:
    wanted, given = node.integers("shape", 1), node.shape(0)
    shape = check_size(list(np.broadcast_shapes(given, tuple(wanted or ()))))
    return node.x if tuple(shape) == given else node.call(torch.Tensor.expand, node.x, shape)


def _tile(node: Node) -> Result:
    repeats = node.integers("repeats", 1) or []
    check_size([size * number for size, number in zip(node.shape(0), repeats, strict=True)])
    return node.x if set(repeats) <= {1} else node.call(torch.tile, node.x, repeats)


def _pad(node: Node) -> Result:
    pads, value, rank = node.integers("pads", 1), node.optional(2), len(node.shape(0))
    if isinstance(value, fx.Node):
        raise Unconvertible("the value of its padding depends on the image")
    axes = [axis % rank for axis in node.integers("", 3) or range(rank)]
    if pads is None or len(pads) != 2 * len(axes):
        raise Unconvertible(f"its pads {pads} are not two numbers for each of {len(axes)} axes")
    before = dict(zip(axes, pads[: len(axes)], strict=True))
    after = dict(zip(axes, pads[len(axes) :], strict=True))
    check_size([size + before.get(axis, 0) + after.get(axis, 0) for axis, size in enumerate(node.shape(0))])
    mode = node.text("mode", "constant")
    if mode not in _PAD_MODES:
        raise Unconvertible(f"its mode {mode!r} is not known")
    padded = [axis for axis in range(rank) if before.get(axis, 0) or after.get(axis, 0)]
    if not padded:
        return node.x
    # torch takes pairs from the last axis on; only constant values can be padded along all axes.
    first = padded[0] if mode == "constant" else max(1, rank - 3)
    if padded[0] < first:
        raise Unconvertible(f"it pads along axis {padded[0]} by {mode}")
    order = [size for axis in range(rank - 1, first - 1, -1) for size in (before.get(axis, 0), after.get(axis, 0))]
    if mode == "constant":
        number = 0.0 if value is None else value.item()
        return node.call(functional.pad, node.x, order, "constant", number)
    x = node.x
    if rank < 3:
        raise Unconvertible(f"it pads a value of {rank} dimensions by {mode}")
    return node.call(functional.pad, x, order[: 2 * (rank - 2)], _PAD_MODES[mode])


def _depth_to_space(node: Node) -> Result:
    size, (n, c, h, w) = node.integer("blocksize", 1), node.shape(0)
    if node.text("mode", "DCR") == "CRD":
        return node.call(functional.pixel_shuffle, node.x, size)
    parts = node.call(torch.reshape, node.x, (n, size, size, c // size**2, h, w))
    order = node.call(torch.permute, parts, (0, 3, 4, 1, 5, 2))
    return node.call(torch.reshape, order, (n, c // size**2, h * size, w * size))


def _space_to_depth(node: Node) -> Result:
    size, (n, c, h, w) = node.integer("blocksize", 1), node.shape(0)
    parts = node.call(torch.reshape, node.x, (n, c, h // size, size, w // size, size))
    order = node.call(torch.permute, parts, (0, 3, 5, 1, 2, 4))
    return node.call(torch.reshape, order, (n, c * size**2, h // size, w // size))


def _constant_of_shape(node: Node) -> Result:
    shape = check_size(node.integers("", 0) or [])
    value: torch.Tensor = node.attributes.get("value", torch.zeros(1))
    return value.reshape(()).expand(shape).clone()


def _range(node: Node) -> Result:
    limits = [node.constant(index) for index in range(3)]
    start, limit, step = (one.item() for one in limits if one is not None)
    if step == 0:
        raise Unconvertible("its step is 0")
    check_size([max(0, math.ceil((limit - start) / step))])
    return torch.arange(start, limit, step, dtype=example(node.x).dtype)


def _eye_like(node: Node) -> Result:
    from neurosurgeon_ros.models.onnx_files.tensors import dtype_of

    rows, columns = node.shape(0)
    dtype = dtype_of(node.integer("dtype", 0)) if "dtype" in node.attributes else example(node.x).dtype
    offset = node.integer("k", 0)
    return torch.ones(rows, columns).tril(offset).triu(offset).to(dtype)


def _trilu(node: Node) -> Result:
    offset = node.constant(1)
    function = torch.triu if node.integer("upper", 1) else torch.tril
    return node.call(function, node.x, 0 if offset is None else int(offset.item()))


OPERATORS: dict[str, Convert] = {
    "Concat": _concat,
    "ConstantOfShape": _constant_of_shape,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "EyeLike": _eye_like,
    "Flatten": _flatten,
    "Pad": _pad,
    "Range": _range,
    "Reshape": _reshape,
    "Shape": _shape,
    "Size": _size,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _unsqueeze,
}
