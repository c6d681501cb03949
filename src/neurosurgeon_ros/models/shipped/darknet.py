# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read Darknet's weight files.

A file starts with a header: three int32 (major, minor, revision), then the number of images seen in training (int64
from version 0.2 on, int32 before). The convolutions follow in the network's order as float32, little-endian. Each has
its bias, then, if it has batch norm, the weight, running mean and running variance, then the kernel (out, in, height,
width).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurosurgeon_ros.models.files import FileProblem


def load_darknet(network: nn.Module, path: Path) -> None:
    """
    Fill the convolutions and batch norms of a network from a weight file.

    :param network: network with convolutions registered in file order, each batch norm right after its convolution.
    :param path: the weight file.
    :raises FileProblem: the file is missing, or is too short or too long for the network.
    """
    values = _read(path)
    wanted = _tensors(network)
    needed = sum(tensor.numel() for tensor in wanted)
    if values.size != needed:
        reason = "it was cut off" if values.size < needed else "it belongs to another network"
        raise FileProblem(
            f"{path} holds {values.size:,} weights where the network needs {needed:,}: {reason}, give its own file"
        )
    position = 0
    with torch.no_grad():
        for tensor in wanted:
            part = values[position : position + tensor.numel()]
            tensor.copy_(torch.from_numpy(part.copy()).view(tensor.shape))
            position += tensor.numel()


def _tensors(network: nn.Module) -> list[torch.Tensor]:
    """Return the tensors to fill, in file order."""
    modules = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
    tensors: list[torch.Tensor] = []
    for convolution, following in _pairs(modules):
        if following is not None:
            statistics = [following.running_mean, following.running_var]
            tensors += [following.bias, following.weight, *(tensor for tensor in statistics if tensor is not None)]
        elif convolution.bias is not None:
            tensors.append(convolution.bias)
        tensors.append(convolution.weight)
    return tensors


def _pairs(modules: list[nn.Conv2d | nn.BatchNorm2d]) -> Iterator[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    for module, following in zip(modules, [*modules[1:], None], strict=True):
        if isinstance(module, nn.Conv2d):
            yield module, following if isinstance(following, nn.BatchNorm2d) else None


def _read(path: Path) -> NDArray[np.float32]:
    """Return all floats after the header."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileProblem(f"{path} is missing: give the path of a Darknet weight file") from None
    except OSError as error:
        raise FileProblem(f"{path} cannot be read ({error.strerror}): give the path of a Darknet weight file") from None
    if len(content) < 20:
        raise FileProblem(f"{path} has {len(content)} bytes, less than a Darknet header: give a complete weight file")
    major, minor = np.frombuffer(content, dtype="<i4", count=2)
    header = 20 if major * 10 + minor >= 2 else 16
    if (len(content) - header) % 4:
        raise FileProblem(f"{path} ends within a number ({len(content)} bytes): it was cut off, get the file again")
    return np.frombuffer(content, dtype="<f4", offset=header).astype(np.float32, copy=False)
