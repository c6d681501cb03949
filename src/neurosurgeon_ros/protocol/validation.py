# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Validation of requests from the network, before any memory is allocated for them."""

from __future__ import annotations

import math

from neurosurgeon_ros.codecs import CameraPicture, EncodedTensor, TensorSpec, find_codec, is_stream_codec
from neurosurgeon_ros.codecs.camera import may_show, sendable_size
from neurosurgeon_ros.models import Letterbox
from neurosurgeon_ros.partition import PartitionedNetwork
from neurosurgeon_ros.protocol.requests import Kind, Request

#: Maximum width and height of a camera image, in pixels.
MAX_IMAGE_SIDE = 16384

#: Maximum size of a probe, in bytes.
MAX_PROBE_BYTES = 262144


class InvalidRequest(ValueError):
    """A request does not match the model or the limits; the message is one sentence."""


def check_probe(request: Request) -> None:
    """Check a link probe; raise :class:`InvalidRequest` if it is too large."""
    if request.payload_bytes > MAX_PROBE_BYTES:
        raise InvalidRequest(f"the probe has {request.payload_bytes} bytes, at most {MAX_PROBE_BYTES} are allowed")


def check_request(request: Request, network: PartitionedNetwork, name: str) -> None:
    """
    Check a FRAME or a SAMPLE against the network.

    :param name: human-readable name of the network.
    :raises InvalidRequest: if the partition point, the letterbox, a threshold, or any tensor's name, type, shape, codec
        or length does not match the model, or if the request cannot belong to a stream as it says.
    """
    points = network.points
    p = request.partition_point
    if not 0 <= p < len(points) - 1:
        raise InvalidRequest(f"partition point {p} does not exist, {name} has 0 to {len(points) - 2}")
    for name, value in (("confidence_threshold", request.confidence), ("iou_threshold", request.iou)):
        if not 0.0 <= value <= 1.0:
            raise InvalidRequest(f"{name} is {value}, it must be in [0, 1]")
    if not (math.isfinite(request.deadline_s) and request.deadline_s >= 0.0):
        raise InvalidRequest(f"deadline is {request.deadline_s}, it must be 0 or more seconds")
    _check_letterbox(request.letterbox)
    specs = points[p].tensors
    if len(request.tensors) != len(specs):
        raise InvalidRequest(
            f"{len(request.tensors)} tensors came for partition point {points[p].name}, it has {len(specs)}"
        )
    for tensor, spec in zip(request.tensors, specs, strict=True):
        _check_tensor(tensor, spec)
        if isinstance(find_codec(tensor.codec), CameraPicture):
            _check_picture(tensor, request)
    _check_stream(request)


def _check_stream(request: Request) -> None:
    """Check what a request says about its stream; whether the edge holds the reference is found when it is decoded."""
    codecs = sorted({tensor.codec for tensor in request.tensors if is_stream_codec(tensor.codec)})
    if len(codecs) > 1:
        raise InvalidRequest(f"the tensors name {' and '.join(codecs)}, a request takes one codec with memory")
    reference, sequence = request.reference, request.key.sequence
    if reference and not codecs:
        raise InvalidRequest(f"reference is {reference}, but no tensor names a codec with memory: it must be 0")
    if reference and request.key.kind is not Kind.FRAME:
        raise InvalidRequest(f"reference is {reference}, but the request is no frame: it must be 0")
    if reference and reference >= sequence:
        raise InvalidRequest(f"reference is {reference}, it must be less than the frame's own sequence, {sequence}")


def _check_letterbox(letterbox: Letterbox | None) -> None:
    if letterbox is None:
        raise InvalidRequest("the size of the image is missing, only a probe has none")
    for name, side in (("image_width", letterbox.image_width), ("image_height", letterbox.image_height)):
        if not 0 < side <= MAX_IMAGE_SIDE:
            raise InvalidRequest(f"{name} is {side}, it must be 1 to {MAX_IMAGE_SIDE} pixels")
    for name, scale in (("scale_x", letterbox.scale_x), ("scale_y", letterbox.scale_y)):
        if not (math.isfinite(scale) and 1e-6 <= scale <= 1e6):
            raise InvalidRequest(f"{name} is {scale}, it must be a positive number of network pixels per image pixel")
    for name, pad in (("pad_x", letterbox.pad_x), ("pad_y", letterbox.pad_y)):
        if not (math.isfinite(pad) and abs(pad) <= MAX_IMAGE_SIDE):
            raise InvalidRequest(f"{name} is {pad}, it must be -{MAX_IMAGE_SIDE} to {MAX_IMAGE_SIDE} network pixels")


def _check_picture(tensor: EncodedTensor, request: Request) -> None:
    """Check a camera's picture against the size in the request, before a decoder allocates memory for it."""
    if request.partition_point != 0 or len(request.tensors) != 1:
        raise InvalidRequest(f"codec {tensor.codec} came for tensor {tensor.name}, it can only stand for an image")
    assert request.letterbox is not None
    size, told = sendable_size(tensor.data), (request.letterbox.image_width, request.letterbox.image_height)
    if size is None:
        raise InvalidRequest(f"tensor {tensor.name} is no plain baseline JPEG of a size that this edge takes")
    if not may_show(size, told):
        raise InvalidRequest(
            f"tensor {tensor.name} is a picture of {size[0]} x {size[1]} pixels, "
            f"the request says {told[0]} x {told[1]} (image_width x image_height)"
        )


def _check_tensor(tensor: EncodedTensor, spec: TensorSpec) -> None:
    try:
        codec = find_codec(tensor.codec)
    except ValueError as problem:
        raise InvalidRequest(f"tensor {spec.name}: {problem}") from None
    if not codec.accepts(spec):
        raise InvalidRequest(f"codec {codec.name} cannot carry tensor {spec.name}, which is {spec.dtype} {spec.shape}")
    if (tensor.name, tensor.dtype, tuple(tensor.shape)) != (spec.name, spec.dtype, spec.shape):
        raise InvalidRequest(
            f"tensor {tensor.name!r} {tensor.dtype} {tuple(tensor.shape)} came, "
            f"the model has {spec.name!r} {spec.dtype} {spec.shape} there"
        )
    if tensor.data.nbytes > codec.max_bytes(spec):
        raise InvalidRequest(
            f"tensor {spec.name} has {tensor.data.nbytes} bytes, "
            f"with {codec.name} it has at most {codec.max_bytes(spec)}"
        )
