# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Send tensors as they are in memory: float32 for values that the network computes, uint8 for the image at p = 0."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from neurosurgeon_ros.codecs.codec import (
    Codec,
    CodecError,
    check_length,
    check_no_quantisation,
    check_spec,
    elements,
    flat_bytes,
    from_memory_order,
    tensor_bytes,
    tensor_from_bytes,
    to_memory_order,
    torch_dtype,
)
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec


class RawCodec(Codec):
    """
    Elements in memory order, little-endian; both sides copy only if necessary.

    :cvar dtypes: the element types that this codec supports.
    """

    dtypes: ClassVar[tuple[str, ...]]
    lossless = True

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept tensors of the codec's element types."""
        return spec.dtype in self.dtypes

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the exact size."""
        return elements(spec) * torch_dtype(spec.dtype).itemsize

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the exact size."""
        return self.expected_bytes(spec)

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Return the tensor's own memory if it is dense."""
        data = tensor_bytes(to_memory_order(tensor, spec))
        return EncodedTensor(name=spec.name, dtype=spec.dtype, shape=spec.shape, codec=self.name, data=data)

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Return a tensor over the data's own memory if that is writable and aligned."""
        check_spec(encoded, spec, self.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        check_length(encoded, data, self.expected_bytes(spec))
        return from_memory_order(tensor_from_bytes(data, torch_dtype(spec.dtype)), spec)


class Fp32(RawCodec):
    """Lossless float32."""

    name = "fp32"
    dtypes = ("float32",)


class Uint8(RawCodec):
    """Lossless uint8 image at p = 0."""

    name = "uint8"
    dtypes = ("uint8",)


class Raw(RawCodec):
    """Lossless codec for any other element type: indices, masks, half precision."""

    name = "raw"
    dtypes = ("float64", "float16", "bfloat16", "int8", "int16", "int32", "int64", "bool")

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Return a tensor like the other raw codecs; every byte of a bool tensor must be 0 or 1."""
        if spec.dtype == "bool" and np.frombuffer(flat_bytes(encoded), np.uint8).max(initial=0) > 1:
            raise CodecError(f"Encoded tensor {encoded.name!r} has truth values other than 0 and 1; it was damaged.")
        return super().decode(encoded, spec)
