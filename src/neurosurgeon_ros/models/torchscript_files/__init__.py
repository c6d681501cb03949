# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read a network from a TorchScript file, as a graph of torch calls.

Traced, scripted and frozen networks are read; sizes are fixed when the file is read. Neither torch nor anything in the
file is trusted with it: its functions are followed by this program, see :mod:`.program`.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.graphs.builder import Builder
from neurosurgeon_ros.models.graphs.fuse import fuse
from neurosurgeon_ros.models.torchscript_files.file import TorchScriptFile, is_torchscript, open_torchscript
from neurosurgeon_ros.models.torchscript_files.program import Program
from neurosurgeon_ros.models.torchscript_files.values import tensors_of, values_of

#: Maximum height or width of an image, in pixels.
_LARGEST_SIDE = 8192


def load_torchscript(path: Path, size: tuple[int, int] | None = None) -> tuple[nn.Module, torch.Tensor]:
    """
    Read a network that takes one image.

    :param size: height and width of its input; None for those for which it was traced. A scripted network does not tell
        them, unless Ultralytics exported it.
    :returns: the network, with an attribute `names` if the file names the classes, and an example of its input, shape
        (1, 3, height, width), uint8 or float32.
    :raises FileProblem: the file is damaged, or cannot be converted; the message names the operator and the module.
    """
    file = open_torchscript(path)
    height, width = _size(file, size)
    dtype = torch.float32 if file.example is None else file.example.dtype
    if dtype not in (torch.float32, torch.float16, torch.uint8):
        raise FileProblem(
            f"{path} takes {dtype} where float32 or uint8 are expected: trace it with float32".replace("torch.", "")
        )
    builder = Builder()
    example = torch.zeros(1, 3, height, width, dtype=torch.uint8 if dtype == torch.uint8 else torch.float32)
    outputs = Program(file, builder).run(builder.add_input("image", example))
    if not list(tensors_of(outputs)):
        raise FileProblem(f"{path} returns no tensor: export a network that does")
    network = builder.finish(values_of(outputs), fuse)
    if file.names:
        network.names = file.names  # type: ignore[assignment]
    return network, example


def _size(file: TorchScriptFile, wanted: tuple[int, int] | None) -> tuple[int, int]:
    """Return height and width of the input."""
    traced = None if file.example is None else tuple(file.example.shape)
    if traced is not None and (len(traced) != 4 or traced[:2] != (1, 3)):
        text = "x".join(map(str, traced))
        raise FileProblem(f"{file.path} takes {text} where 1x3xHEIGHTxWIDTH is expected: trace it for one image")
    found = wanted or file.size
    if found is None:
        raise FileProblem(
            f"{file.path} does not tell the size of its images: name it after the file as WIDTHxHEIGHT, as in "
            f"{file.path.name}@640x480"
        )
    height, width = found
    if not (0 < height <= _LARGEST_SIDE and 0 < width <= _LARGEST_SIDE):
        raise FileProblem(f"{file.path} takes images of {width}x{height} pixels, where {_LARGEST_SIDE} are the most")
    return height, width


__all__ = ["is_torchscript", "load_torchscript"]
