# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Run several requests as one batch: join tensors along their first dimension, and split the outputs again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from neurosurgeon_ros.partition.errors import PartitionError
from neurosurgeon_ros.partition.memory_format import dense
from neurosurgeon_ros.partition.points import PartitionPoint


def join(many: Sequence[Sequence[torch.Tensor]], point: PartitionPoint) -> tuple[torch.Tensor, ...]:
    """
    Join the tensors of several requests.

    :param many: for each request, the tensors that cross at the point, each of shape (1, ...).
    :returns: tensors of shape (requests, ...), with the same memory layout as those of one request.
    :raises PartitionError: a tensor has no dimension of size 1 to join along.
    """
    for spec in point.tensors:
        if not spec.shape or spec.shape[0] != 1:
            raise PartitionError(
                f"Tensor {spec.name!r} of partition point {point.name} has shape {spec.shape}; requests can be joined "
                "only where the first dimension is 1."
            )
    return tuple(
        dense(torch.cat([tensors[index] for tensors in many]), spec.channels_last)
        for index, spec in enumerate(point.tensors)
    )


def take_apart(outputs: Any, number: int) -> list[Any]:
    """
    Split the outputs of a network into one result for each request.

    :param outputs: tensors of shape (number, ...), in any structure.
    :param number: number of requests.
    :returns: for each request, the same structure with tensors of shape (1, ...).
    :raises PartitionError: an output does not have one row for each request.
    """
    leaves, structure = pytree.tree_flatten(outputs)
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor) or leaf.dim() == 0 or leaf.shape[0] != number:
            given = f"a tensor {tuple(leaf.shape)}" if isinstance(leaf, torch.Tensor) else type(leaf).__name__
            raise PartitionError(f"Of a batch of {number} the network returned {given}, not a row for each.")
    rows = [leaf.split(1) for leaf in leaves]
    return [pytree.tree_unflatten([row[index] for row in rows], structure) for index in range(number)]
