# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Back-ends on another device than the CPU: what an edge with a GPU runs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from neurosurgeon_ros.models import Model
from neurosurgeon_ros.partition import PartitionedNetwork, partition
from neurosurgeon_ros.partition.errors import first_line

AUTO, CPU, CUDA = "auto", "cpu", "cuda"

#: Names of devices that can be asked for.
DEVICES = (AUTO, CPU, CUDA)


def choose_device(wanted: str) -> torch.device:
    """
    Return the device that was asked for.

    :param wanted: one of :data:`DEVICES`; `auto`: a GPU where there is one.
    :raises ValueError: there is no such device here.
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
    The back-ends of a network with its weights on a device; what crosses comes from the CPU, and outputs go back to it.

    Results agree with the CPU's to rounding, not bit for bit.

    :param model: stays as it is; its weights are copied.
    :param like: the network as the CPU has it, whose partition points these are.
    :param half: compute in fp16 where torch holds that safe (autocast).
    :raises ValueError: the network does not run on this device.
    """

    def __init__(
        self, model: Model, like: PartitionedNetwork, device: torch.device, *, keep_all: bool, half: bool
    ) -> None:
        self.device = device
        self._half = half
        try:
            network = copy.deepcopy(model.network).to(device)
            self._partitioned = partition(network, model.example_input.to(device), keep_all=keep_all)
        except Exception as problem:  # a network may make tensors of its own, or have operations that the device lacks
            raise ValueError(
                f"{model.name} does not run on {device} ({first_line(problem)}); choose device 'cpu'"
            ) from problem
        if self._partitioned.fingerprint != like.fingerprint:
            raise ValueError(f"{model.name} has other partition points on {device}; choose device 'cpu'")

    def run(self, tensors: Sequence[torch.Tensor], p: int) -> Any:
        """Run a back-end as :meth:`PartitionedNetwork.run_back`; returns when its outputs are there."""
        moved = [tensor.to(self.device) for tensor in tensors]
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self._half):
            outputs = self._partitioned.run_back(moved, p)
        return _to_cpu(outputs)

    def run_together(self, many: Sequence[Sequence[torch.Tensor]], p: int) -> list[Any]:
        """Run a back-end as :meth:`PartitionedNetwork.run_back_together`; returns when its outputs are there."""
        moved = [[tensor.to(self.device) for tensor in tensors] for tensors in many]
        with torch.autocast(self.device.type, dtype=torch.float16, enabled=self._half):
            outputs = self._partitioned.run_back_together(moved, p)
        return [_to_cpu(one) for one in outputs]


def _to_cpu(value: Any) -> Any:
    """Bring every tensor of a network's outputs to the CPU, which waits for it, floats as float32."""
    if isinstance(value, torch.Tensor):
        there = value.cpu()
        return there.float() if there.is_floating_point() else there
    if isinstance(value, dict):
        return {key: _to_cpu(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_to_cpu(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value
