# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Codec interface: convert one tensor to bytes and back, and check it against the model's specification."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from neurosurgeon_ros.codecs.limits import Limits
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec

#: Alignment of memory that torch allocates. oneDNN and MKL may sum in another order for another alignment.
ALIGNMENT = 64


class CodecError(ValueError):
    """Raised if an encoded tensor does not fit the model or cannot be decoded; the message is one sentence."""


class Codec(ABC):
    """
    Encode and decode tensors; a codec has no state, so one instance serves all threads.

    :ivar name: registered name, which is sent with each tensor.
    :ivar lossless: whether decoding returns exactly the bits that were encoded.
    :ivar calibrated: whether encoding uses limits found by a calibration, see :meth:`fit`; decoding never does.
    """

    name: str
    lossless: bool
    calibrated: bool = False

    @abstractmethod
    def accepts(self, spec: TensorSpec) -> bool:
        """Return whether tensors of this kind can be encoded."""

    @abstractmethod
    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the expected encoded size in bytes: exact for fixed-size codecs, a typical value for others."""

    @abstractmethod
    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the maximum encoded size in bytes; larger data is rejected before it is parsed."""

    @abstractmethod
    def encode(self, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
        """
        Encode a tensor.

        :param tensor: tensor with the shape, element type and memory format of `spec`.
        :returns: its bytes; a view of the tensor's own memory if the codec allows it, which is valid until the tensor
            is modified.
        :raises CodecError: the tensor does not match `spec`.
        """

    @abstractmethod
    def decode(self, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        """
        Decode an untrusted tensor from another machine.

        :returns: a tensor with the shape, element type and memory format of `spec`; it may share the memory of
            ``encoded.data``.
        :raises CodecError: the encoded tensor does not match `spec`; no memory is allocated in this case.
        """

    def fit(self, tensors: Sequence[torch.Tensor], spec: TensorSpec) -> Limits | None:
        """
        Find suitable limits for the tensors of a calibration.

        :returns: the limits; None if the codec takes no limits, or if all tensors are empty or contain NaN or infinity.
        """
        return None

    def within(self, limits: Limits, spec: TensorSpec) -> Codec:
        """
        Return this codec with limits for one tensor.

        :raises CodecError: the limits belong to another tensor.
        """
        return self


def torch_dtype(name: str) -> torch.dtype:
    """Return the torch element type with this name, as in ``TensorSpec.dtype``."""
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise CodecError(f"Element type {name!r} is none of torch's, such as 'float32' or 'uint8'.")
    return dtype


def elements(spec: TensorSpec) -> int:
    """Return the number of elements."""
    return math.prod(spec.shape)


def memory_shape(spec: TensorSpec) -> tuple[int, ...]:
    """Return the shape in the order in which elements are stored and sent: N, H, W, C for channels-last."""
    if spec.channels_last:
        n, c, h, w = spec.shape
        return n, h, w, c
    return spec.shape


def to_memory_order(tensor: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
    """
    Return a contiguous CPU view of `tensor` in the order of :func:`memory_shape`; copy only if the layout differs.

    :raises CodecError: the shape or the element type does not match `spec`.
    """
    if tuple(tensor.shape) != spec.shape or tensor.dtype != torch_dtype(spec.dtype):
        raise CodecError(
            f"Tensor {spec.name!r} to be encoded is {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}, "
            f"but the model gives {spec.dtype} {spec.shape}; encode what run_front returned for this point."
        )
    ordered = tensor.detach().permute(0, 2, 3, 1) if spec.channels_last else tensor.detach()
    return ordered.cpu().contiguous()


def from_memory_order(tensor: torch.Tensor, spec: TensorSpec) -> torch.Tensor:
    """Return a view in logical order, the inverse of :func:`to_memory_order`; `tensor` may be flat."""
    ordered = tensor.reshape(memory_shape(spec))
    return ordered.permute(0, 3, 1, 2) if spec.channels_last else ordered


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """Return the bytes of a contiguous CPU tensor, without a copy."""
    if not tensor.numel():
        return memoryview(b"")
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def flat_bytes(encoded: EncodedTensor) -> memoryview:
    """
    Return the data as a flat view of bytes, without a copy.

    :raises CodecError: the buffer is not C-contiguous.
    """
    view = memoryview(encoded.data)
    if not view.c_contiguous:
        raise CodecError(f"The data of tensor {encoded.name!r} is not one contiguous run of bytes; send it as one.")
    return view.cast("B") if view.nbytes else memoryview(b"")


def tensor_from_bytes(data: memoryview, dtype: torch.dtype) -> torch.Tensor:
    """Return a flat tensor over `data`: its own memory if that is writable and aligned like torch's, else a copy."""
    if not data.nbytes:
        return torch.empty(0, dtype=dtype)
    array = np.frombuffer(data, dtype=np.uint8)
    if data.readonly or array.ctypes.data % ALIGNMENT:
        tensor = torch.empty(data.nbytes, dtype=torch.uint8)
        tensor.numpy()[:] = array
        return tensor.view(dtype)
    return torch.from_numpy(array).view(dtype)


def check_spec(encoded: EncodedTensor, spec: TensorSpec, codec: str) -> None:
    """
    Check the metadata of an encoded tensor against the model.

    :raises CodecError: name, element type, shape or codec differ.
    """
    for what, given, expected in (
        ("name", encoded.name, spec.name),
        ("element type", encoded.dtype, spec.dtype),
        ("shape", tuple(encoded.shape), spec.shape),
        ("codec", encoded.codec, codec),
    ):
        if given != expected:
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has {what} {given!r} where the model expects {expected!r}; "
                "both sides must run the same model."
            )


def check_length(encoded: EncodedTensor, data: memoryview, expected: int) -> None:
    """
    Check the number of bytes for a codec with a fixed size.

    :raises CodecError: there are more or fewer bytes.
    """
    if data.nbytes != expected:
        raise CodecError(
            f"Encoded tensor {encoded.name!r} has {data.nbytes} bytes where {encoded.codec} of shape "
            f"{tuple(encoded.shape)} has {expected}; it was cut off or belongs to another model."
        )


def check_no_quantisation(encoded: EncodedTensor) -> None:
    """
    Check that an encoded tensor of a codec without scales has none.

    :raises CodecError: there is a scale or a zero point.
    """
    if len(encoded.scale) or len(encoded.zero_point):
        raise CodecError(
            f"Encoded tensor {encoded.name!r} has {len(encoded.scale)} scales and {len(encoded.zero_point)} zero "
            f"points, but codec {encoded.codec} has none."
        )
