# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors on their way between robot and edge, as bytes with what is needed to read them back."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """
    What a partition point says of one tensor that crosses it; both sides know it from the model.

    :param name: the value's name in the graph, e.g. ``pool4``.
    :param shape: logical shape (N, C, H, W for images), each > 0.
    :param dtype: ``float32``, ``uint8``, ... as torch and NumPy name them.
    :param channels_last: 4-dimensional tensors lie in memory (and travel) as N, H, W, C.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    channels_last: bool = False


@dataclass(frozen=True, slots=True)
class EncodedTensor:
    """
    One encoded tensor; the fields are those of neurosurgeon_ros/Tensor.

    :param name: the value's name in the graph.
    :param dtype: element type of the tensor before encoding.
    :param shape: logical shape of the tensor before encoding.
    :param codec: registered name of the codec.
    :param scale: quantisation steps, one or one per channel; empty where the codec has none.
    :param zero_point: quantisation zero points, as many as `scale`.
    :param data: C-contiguous bytes; a view of the tensor's own memory where that is possible.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    codec: str
    data: memoryview = field(repr=False)
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
