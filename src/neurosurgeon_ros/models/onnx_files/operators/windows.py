# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Settings of operators that move a window over maps: its size, its steps, and the padding around the maps."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from neurosurgeon_ros.models.graphs.builder import Unconvertible, Value
from neurosurgeon_ros.models.onnx_files.node import Node, check_size

Sizes = tuple[int, ...]


def window(node: Node, usual: Sequence[int] | None = None) -> tuple[Sizes, Sizes, Sizes]:
    """
    Return the kernel's size, stride and dilation.

    :param usual: the kernel's size if the node has none.
    :raises Unconvertible: the node has no kernel, or one of other dimensions than its maps.
    """
    kernel = node.attributes.get("kernel_shape", usual)
    rank = len(node.shape(0)) - 2
    if kernel is None:
        raise Unconvertible("it has no kernel_shape")
    stride = node.attributes.get("strides", [1] * rank)
    dilation = node.attributes.get("dilations", [1] * rank)
    found = [tuple(int(one) for one in part) for part in (kernel, stride, dilation)]
    if any(len(part) != rank or min(part, default=1) < 1 for part in found) or not 1 <= rank <= 3:
        raise Unconvertible(f"its window {list(found[0])} does not fit a value of {rank + 2} dimensions")
    return found[0], found[1], found[2]


def pads_of(node: Node, kernel: Sizes, stride: Sizes, dilation: Sizes) -> tuple[Sizes, Sizes]:
    """Return the padding before and after each axis of the maps."""
    rank = len(kernel)
    auto = node.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = tuple(int(one) for one in node.attributes.get("pads", [0] * (2 * rank)))
        if len(pads) != 2 * rank:
            raise Unconvertible(f"its pads {list(pads)} are not {2 * rank} numbers")
        return pads[:rank], pads[rank:]
    if auto == "VALID":
        return (0,) * rank, (0,) * rank
    sizes = node.shape(0)[2:]
    total = [
        max(0, (-(-size // step) - 1) * step + reach * (length - 1) + 1 - size)
        for size, step, reach, length in zip(sizes, stride, dilation, kernel, strict=True)
    ]
    less, more = tuple(one // 2 for one in total), tuple(one - one // 2 for one in total)
    return (less, more) if auto == "SAME_UPPER" else (more, less)


def check_windows(node: Node, pads: tuple[Sizes, Sizes], channels: int) -> None:
    """
    Check the size of padded maps, which is at least that of the result.

    :raises Unconvertible: they are too large.
    """
    sides = [size + sum(both) for size, *both in zip(node.shape(0)[2:], *pads, strict=True)]
    if any(size < 0 for part in pads for size in part):
        raise Unconvertible(f"its pads {[list(part) for part in pads]} are negative")
    check_size([node.shape(0)[0], max(channels, node.shape(0)[1]), *sides])


def pad(node: Node, x: Value, pads: tuple[Sizes, Sizes], value: float = 0.0) -> tuple[Value, Sizes]:
    """
    Pad maps if the padding before and after them differs, which torch's own operators do not support.

    :param value: value of the padding.
    :returns: the maps, and the padding that is left to the operator.
    """
    before, after = pads
    if before == after:
        return x, before
    order = [size for pair in reversed(list(zip(before, after, strict=True))) for size in pair]
    padded: Value = node.call(functional.pad, x, order, value=value)
    return padded, (0,) * len(before)
