# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compress the bytes of any codec with Zstandard (RFC 8878)."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
import zstandard

from neurosurgeon_ros.codecs.codec import Codec, CodecError, check_spec, elements, flat_bytes
from neurosurgeon_ros.codecs.limits import Limits
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Higher levels take several times as long and save only a few percent.
LEVEL = 1


class Zstd(Codec):
    """
    Compress the output of another codec.

    :param inner: the other codec; its ``max_bytes`` is the exact size of its output.
    :param expected: typical bytes per element, used until the mean of sent data is known.
    :param planes: bytes per value; the first bytes of all values are sent first, then the second bytes. Exponents of
        neighbours are similar, mantissas are not.
    """

    def __init__(self, inner: Codec, *, expected: float, planes: int = 1) -> None:
        self.name = f"{inner.name}-zstd"
        self.lossless = inner.lossless
        self.calibrated = inner.calibrated
        self._inner = inner
        self._expected = expected
        self._planes = planes

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept the tensors that the inner codec accepts."""
        return self._inner.accepts(spec)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size on the shipped video."""
        scales = self._inner.expected_bytes(spec) - self._inner.max_bytes(spec)
        return max(1, round(self._expected * elements(spec))) + scales

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the bound of ZSTD_compressBound for incompressible data."""
        size = self._inner.max_bytes(spec)
        return size + size // 256 + 128

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Compress the output of the inner codec; return it unchanged if that codec fell back to another one."""
        encoded = self._inner.encode(tensor, spec)
        if encoded.codec != self._inner.name:
            return encoded
        data = np.frombuffer(encoded.data, np.uint8)
        if self._planes > 1:
            data = np.ascontiguousarray(data.reshape(-1, self._planes).T)
        # Threads must not share a compressor, and making one is cheaper than a lock.
        compressed = zstandard.ZstdCompressor(level=LEVEL).compress(data.data)
        return dataclasses.replace(encoded, codec=self.name, data=memoryview(compressed))

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Decompress the data if its stated size is exactly that of this tensor."""
        check_spec(encoded, spec, self.name)
        data, size = flat_bytes(encoded), self._inner.max_bytes(spec)
        if data.nbytes > self.max_bytes(spec):
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has {data.nbytes} bytes where {self.name} has at most "
                f"{self.max_bytes(spec)}; it belongs to another model."
            )
        try:
            stated = zstandard.get_frame_parameters(data).content_size
            if stated != size:
                raise CodecError(
                    f"Encoded tensor {encoded.name!r} says that it holds {stated} bytes where this tensor has {size}; "
                    "it belongs to another model."
                )
            plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise CodecError(f"Encoded tensor {encoded.name!r} cannot be decompressed ({error}).") from None
        flat = np.frombuffer(plain, np.uint8)
        if self._planes > 1:
            flat = np.ascontiguousarray(flat.reshape(self._planes, -1).T).reshape(-1)
        return self._inner.decode(dataclasses.replace(encoded, codec=self._inner.name, data=flat.data), spec)

    def fit(self, tensors: Sequence[torch.Tensor], spec: TensorSpec) -> Limits | None:
        """Find the limits of the inner codec."""
        return self._inner.fit(tensors, spec)

    def within(self, limits: Limits, spec: TensorSpec) -> Zstd:
        """Return a codec of the same name whose inner codec uses these limits."""
        fitted = copy.copy(self)
        fitted._inner = self._inner.within(limits, spec)
        return fitted
