# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read a network from an ONNX file, as a graph of torch calls.

The operators of opsets 11 to 22 that networks for images use are converted; sizes are fixed when the file is read.
Values of 16 bits are computed with 32.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.graphs.builder import Builder, Unconvertible, Value
from neurosurgeon_ros.models.graphs.fuse import fuse
from neurosurgeon_ros.models.onnx_files.convert import Converter, inputs_of, outputs_of
from neurosurgeon_ros.models.onnx_files.file import OnnxFile, open_onnx
from neurosurgeon_ros.models.onnx_files.tensors import dtype_of

#: Maximum height or width of an image, in pixels.
_LARGEST_SIDE = 8192


def load_onnx(path: Path, size: tuple[int, int] | None = None) -> tuple[nn.Module, torch.Tensor]:
    """
    Read a network that takes one image.

    :param size: height and width of its input, if the file leaves them open; None for those that the file names.
    :returns: the network, with an attribute `names` if the file names the classes, and an example of its input, shape
        (1, 3, height, width), uint8 or float32.
    :raises FileProblem: the file is missing or damaged, or cannot be converted; the message names the node.
    """
    file = open_onnx(path)
    given = list(inputs_of(file.model.graph))
    if len(given) != 1:
        names = ", ".join(one.name for one in given) or "none"
        raise FileProblem(f"{path} has {len(given)} inputs ({names}) where one image is expected: export it with one")
    height, width, channels_last = _size(file, given[0], size)
    try:
        dtype = dtype_of(given[0].type.tensor_type.elem_type)
    except Unconvertible:
        dtype = torch.float64
    if dtype not in (torch.float32, torch.uint8):
        raise FileProblem(
            f"{path} takes {dtype} where float32 or uint8 are expected: export it with float32".replace("torch.", "")
        )
    builder = Builder()
    example = torch.zeros(1, 3, height, width, dtype=dtype)
    image: Value = builder.add_input("image", example)
    if channels_last:
        image = builder.call(torch.permute, image, (0, 2, 3, 1))
    outputs = Converter(file, builder).run({given[0].name: image})
    network = builder.finish(outputs_of(outputs), fuse)
    if file.names:
        network.names = file.names  # type: ignore[assignment]
    return network, example


def _size(file: OnnxFile, given: object, wanted: tuple[int, int] | None) -> tuple[int, int, bool]:
    """Return height and width of the input, and whether its channels are the last axis."""
    shape = [one.dim_value or None for one in given.type.tensor_type.shape.dim]  # type: ignore[attr-defined]
    text = "x".join(str(one or "?") for one in shape) or "no image"
    if len(shape) != 4 or shape[0] not in (None, 1):
        raise FileProblem(f"{file.path} takes {text} where 1x3xHEIGHTxWIDTH is expected: export it for one image")
    channels_last = shape[1] not in (None, 3) and shape[3] == 3
    channels, sides = (shape[3], shape[1:3]) if channels_last else (shape[1], shape[2:])
    if channels not in (None, 3):
        raise FileProblem(f"{file.path} takes {text} where 3 channels are expected: export it for colour images")
    usual = wanted or file.size or (None, None)
    height, width = (fixed or usual[index] for index, fixed in enumerate(sides))
    if height is None or width is None:
        raise FileProblem(
            f"{file.path} takes images of any size ({text}): name one after the file as WIDTHxHEIGHT, as in "
            f"{file.path.name}@640x480"
        )
    if wanted is not None and (height, width) != wanted:
        raise FileProblem(
            f"{file.path} takes images of {width}x{height} pixels alone, and {wanted[1]}x{wanted[0]} were named: leave "
            "them out"
        )
    if not (0 < height <= _LARGEST_SIDE and 0 < width <= _LARGEST_SIDE):
        raise FileProblem(f"{file.path} takes images of {width}x{height} pixels, where {_LARGEST_SIDE} are the most")
    return height, width, channels_last


__all__ = ["load_onnx"]
