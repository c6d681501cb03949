# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Send float32 as float16: half the bytes, with almost no loss."""

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
    """float32 rounded to float16; a tensor with values that float16 cannot hold is sent as fp32."""

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
        """Round each value to the nearest float16."""
        ordered = to_memory_order(tensor, spec)
        rounded = ordered.half()
        # The sum is NaN or infinite if any value is. It can also overflow by itself, so check all values then.
        if not torch.isfinite(rounded.sum(dtype=torch.float32)) and not torch.isfinite(rounded).all():
            return Fp32().encode(tensor, spec)
        return EncodedTensor(spec.name, spec.dtype, spec.shape, self.name, tensor_bytes(rounded))

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Convert to float32."""
        check_spec(encoded, spec, self.name)
        check_no_quantisation(encoded)
        data = flat_bytes(encoded)
        check_length(encoded, data, self.expected_bytes(spec))
        return from_memory_order(tensor_from_bytes(data, torch.float16).float(), spec)
