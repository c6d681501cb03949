# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Tensors sent between robot and edge: bytes with the metadata needed to decode them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """
    Specification of one tensor that crosses a partition point; both sides know it from the model.

    :param name: the value's name in the graph, e.g. ``pool4``.
    :param shape: logical shape (N, C, H, W for images), each > 0.
    :param dtype: ``float32``, ``uint8``, ... as named by torch and NumPy.
    :param channels_last: a 4-dimensional tensor is stored (and sent) as N, H, W, C.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    channels_last: bool = False


@dataclass(frozen=True, slots=True)
class EncodedTensor:
    """
    One encoded tensor; the fields match neurosurgeon_ros/Tensor.

    :param name: the value's name in the graph.
    :param dtype: element type of the tensor before encoding.
    :param shape: logical shape of the tensor before encoding.
    :param codec: registered name of the codec.
    :param scale: quantisation steps, one or one per channel; empty if the codec has none.
    :param zero_point: quantisation zero points, same length as `scale`.
    :param data: C-contiguous bytes; a view of the tensor's own memory if possible.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    codec: str
    data: memoryview = field(repr=False)
    scale: tuple[float, ...] = ()
    zero_point: tuple[int, ...] = ()
