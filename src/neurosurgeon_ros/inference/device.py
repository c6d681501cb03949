# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Back-ends on a device other than the CPU, for an edge with a GPU."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from neurosurgeon_ros.models import Model
from neurosurgeon_ros.partition import PartitionedNetwork, partition
from neurosurgeon_ros.partition.errors import first_line

AUTO, CPU, CUDA = "auto", "cpu", "cuda"

#: Names of devices that can be requested.
DEVICES = (AUTO, CPU, CUDA)


def choose_device(wanted: str) -> torch.device:
    """
    Return the requested device.

    :param wanted: one of :data:`DEVICES`; `auto`: a GPU if there is one.
    :raises ValueError: if this machine has no such device.
    """
    if wanted not in DEVICES:
        raise ValueError(f"device {wanted!r} is not known; choose one of {', '.join(DEVICES)}")
    there = torch.cuda.is_available()
    if wanted == CUDA and not there:
        raise ValueError(
            f"device 'cuda' was asked for, but torch {torch.__version__} finds no GPU here: install a build of torch "
            "with CUDA and its driver, or choose 'cpu' or 'auto'"
        )
    return torch.device(CUDA if there and wanted != CPU else CPU)


class DeviceBackEnds:
    """
    Back-ends of a network with its weights on a device. Their inputs come from the CPU, and their outputs return to it.

    Results agree with the CPU's except for rounding, not bit for bit.

    :param model: not changed; its weights are copied.
    :param like: the network on the CPU; both have the same partition points.
    :param half: compute in fp16 where torch considers it safe (autocast).
    :raises ValueError: if the network does not run on this device.
    """

    def __init__(
        self, model: Model, like: PartitionedNetwork, device: torch.device, *, keep_all: bool, half: bool
    ) -> None:
        self.device = device
        self._half = half
        try:
            network = copy.deepcopy(model.network).to(device)
            self._partitioned = partition(network, model.example_input.to(device), keep_all=keep_all)
        except Exception as problem:  # a network may create its own tensors, or use operations that the device lacks
            raise ValueError(
                f"{model.name} does not run on {device} ({first_line(problem)}); choose device 'cpu'"
            ) from problem
        if self._partitioned.fingerprint != like.fingerprint:
            raise ValueError(f"{model.name} has other partition points on {device}; choose device 'cpu'")

    def run(self, tensors: Sequence[torch.Tensor], p: int) -> Any:
        """Run a back-end as :meth:`PartitionedNetwork.run_back`, and wait for its outputs."""
        moved = [tensor.to(self.device) for tensor in tensors]
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self._half):
            outputs = self._partitioned.run_back(moved, p)
        return _to_cpu(outputs)

    def run_together(self, many: Sequence[Sequence[torch.Tensor]], p: int) -> list[Any]:
        """Run a back-end as :meth:`PartitionedNetwork.run_back_together`, and wait for its outputs."""
        moved = [[tensor.to(self.device) for tensor in tensors] for tensors in many]
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self._half):
            outputs = self._partitioned.run_back_together(moved, p)
        return [_to_cpu(one) for one in outputs]


def _to_cpu(value: Any) -> Any:
    """Copy every tensor of a network's outputs to the CPU, with floats as float32, and wait for it."""
    if isinstance(value, torch.Tensor):
        there = value.cpu()
        return there.float() if there.is_floating_point() else there
    if isinstance(value, dict):
        return {key: _to_cpu(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_to_cpu(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
