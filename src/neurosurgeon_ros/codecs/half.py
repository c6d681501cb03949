# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""float16: half the bytes, for next to no loss."""

from __future__ import annotations

import torch

from neurosurgeon_ros.codecs.codec import (
    Codec,
    check_length,
    check_no_quantisation,
    check_spec,
    elements,
    flat_bytes,
    from_memory_order,
    tensor_bytes,
    tensor_from_bytes,
    to_memory_order,
)
from neurosurgeon_ros.codecs.raw import Fp32
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec


class Fp16(Codec):
    """float32 rounded to float16; a tensor with values that float16 cannot hold travels as fp32."""

    name = "fp16"
    lossless = False

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept float32."""
        return spec.dtype == "float32"

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the exact size."""
        return 2 * elements(spec)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the exact size."""
        return self.expected_bytes(spec)

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Round to the nearest."""
        ordered = to_memory_order(tensor, spec)
        rounded = ordered.half()
        # The sum is NaN or infinite if any value is; it may also be by itself, so that only then all are looked at.
        if not torch.isfinite(rounded.sum(dtype=torch.float32)) and not torch.isfinite(rounded).all():
            return Fp32().encode(tensor, spec)
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, tensor_bytes(rounded))

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Widen to float32."""
        check_spec(encoded, spec, self.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        check_length(encoded, data, self.expected_bytes(spec))
        return from_memory_order(tensor_from_bytes(data, torch.float16).float(), spec)
