# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the tensors of an ONNX file: those within it, and those in other files of its folder."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from neurosurgeon_ros.models.graphs.builder import Unconvertible
from neurosurgeon_ros.models.onnx_files.node import check_size

if TYPE_CHECKING:
    from onnx import TensorProto

# Numbers of the element types in the format. Values of 16 bits are computed with 32, which every processor can.
_DTYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float64,
    16: torch.float32,
}
_STRING, _EXTERNAL = 8, 1


def dtype_of(number: int) -> torch.dtype:
    """
    Return the element type in which values of a type are computed; float32 for float16 and bfloat16.

    :param number: number of the type in the format.
    :raises Unconvertible: torch has no such type, or it is not needed.
    """
    if number not in _DTYPES:
        raise Unconvertible(f"its values are of element type {number}, which is not converted")
    return _DTYPES[number]


def read_tensor(tensor: TensorProto, folder: Path) -> torch.Tensor:
    """
    Read a tensor.

    :param folder: the folder of the ONNX file; no file outside it is read.
    :raises Unconvertible: the tensor is damaged, or the file with its values is missing, too short, or outside.
    """
    from onnx import numpy_helper

    dtype, shape = dtype_of(tensor.data_type), check_size(list(tensor.dims))
    if tensor.data_location == _EXTERNAL:
        values = _read_external(tensor, folder)
    else:
        try:
            values = numpy_helper.to_array(tensor)
        except Exception as error:  # a damaged tensor can raise any exception
            raise Unconvertible(f"the tensor {tensor.name!r} is damaged ({error})") from error
    if values.size != math.prod(shape):
        raise Unconvertible(f"the tensor {tensor.name!r} has {values.size} values where its shape {shape} needs others")
    return torch.from_numpy(np.array(values.reshape(shape), order="C")).to(dtype)


def _read_external(tensor: TensorProto, folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    """Read values from another file."""
    from onnx import helper

    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    home = folder.resolve()
    path = (home / location).resolve()
    if not location or Path(location).is_absolute() or not path.is_relative_to(home):
        raise Unconvertible(
            f"the values of the tensor {tensor.name!r} are in {location!r}, outside the folder of the file"
        )
    if not path.is_file():
        raise Unconvertible(f"the values of the tensor {tensor.name!r} are in {path}, which is missing")
    kind = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    needed = math.prod(tensor.dims) * kind.itemsize
    try:
        offset, length = int(told.get("offset") or 0), int(told.get("length") or needed)
    except ValueError:
        offset, length = -1, -1
    if offset < 0 or length != needed or offset + length > path.stat().st_size:
        raise Unconvertible(f"the values of the tensor {tensor.name!r} need {needed} bytes, which {path} does not hold")
    with path.open("rb") as stream:
        stream.seek(offset)
        return np.frombuffer(stream.read(length), dtype=kind.newbyteorder("<"))
