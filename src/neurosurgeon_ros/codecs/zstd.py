# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any codec, with its bytes compressed by Zstandard (RFC 8878)."""

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

#: Higher levels take several times as long for a few percent.
LEVEL = 1


class Zstd(Codec):
    """
    Compresses what another codec gives.

    :param inner: the other codec; its ``max_bytes`` is the exact size of what it gives.
    :param expected: bytes per element that are usual, until the mean of what was sent is known.
    :param planes: bytes per value: the first bytes of all values go first, then the second ones. Exponents of
        neighbours are alike, mantissas are not.
    """

    def __init__(self, inner: Codec, *, expected: float, planes: int = 1) -> None:
        self.name = f"{inner.name}-zstd"
        self.lossless = inner.lossless
        self.calibrated = inner.calibrated
        self._inner = inner
        self._expected = expected
        self._planes = planes

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept what the inner codec accepts."""
        return self._inner.accepts(spec)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return what is usual on the shipped video."""
        scales = self._inner.expected_bytes(spec) - self._inner.max_bytes(spec)
        return max(1, round(self._expected * elements(spec))) + scales

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the bound of ZSTD_compressBound for what does not compress."""
        size = self._inner.max_bytes(spec)
        return size + size // 256 + 128

    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """Compress what the inner codec gives; if that fell back to another codec, leave it so."""
        encoded = self._inner.encode(tensor, spec)
        if encoded.codec != self._inner.name:
            return encoded
        data = np.frombuffer(encoded.data, np.uint8)
        if self._planes > 1:
            data = np.ascontiguousarray(data.reshape(-1, self._planes).T)
        # A compressor must not be shared by threads, and costs less to make than a lock is worth.
        compressed = zstandard.ZstdCompressor(level=LEVEL).compress(data.data)
        return dataclasses.replace(encoded, codec=self.name, data=memoryview(compressed))

    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """Decompress, if it says that it has the very size that this tensor has."""
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
        """Find the inner codec's limits."""
        return self._inner.fit(tensors, spec)

    def within(self, limits: Limits, spec: TensorSpec) -> Zstd:
        """Return a codec of the same name whose inner one keeps to these limits."""
        fitted = copy.copy(self)
        fitted._inner = self._inner.within(limits, spec)
        return fitted
