# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Codecs: tensors to bytes and back. An arm is a partition point with one of them.

A new codec is one file with a :class:`Codec` and one line in the table below.
"""

from __future__ import annotations

import torch

from neurosurgeon_ros.codecs.codec import Codec, CodecError
from neurosurgeon_ros.codecs.raw import Fp32, Uint8
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

_REGISTERED: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        Fp32(),
        Uint8(),
    )
}

#: Registered names.
CODECS: tuple[str, ...] = tuple(_REGISTERED)


def get_codec(name: str) -> Codec:
    """
    Give the codec of that name.

    :raises ValueError: there is none.
    """
    codec = _REGISTERED.get(name)
    if codec is None:
        raise ValueError(f"Codec {name!r} is not known; choose one of {', '.join(CODECS)}.")
    return codec


def decode(encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
    """
    Decode a tensor with the codec that it names, as :meth:`Codec.decode` does.

    :raises CodecError: it names no codec, or one that this tensor cannot have, or does not fit `spec`.
    """
    codec = _REGISTERED.get(encoded.codec)
    if codec is None or not codec.accepts(spec):
        choices = ", ".join(codec.name for codec in _REGISTERED.values() if codec.accepts(spec))
        raise CodecError(
            f"Encoded tensor {encoded.name!r} names codec {encoded.codec!r}, which tensor {spec.name!r} of "
            f"type {spec.dtype} cannot have; choose one of {choices}."
        )
    return codec.decode(encoded, spec)


__all__ = ["CODECS", "Codec", "CodecError", "EncodedTensor", "TensorSpec", "decode", "get_codec"]
