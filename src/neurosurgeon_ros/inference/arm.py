# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms: every partition point with every codec that can carry the tensors that cross there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from neurosurgeon_ros.codecs import (
    AS_RECEIVED_CODECS,
    CameraPicture,
    Codec,
    CodecError,
    StreamCodec,
    TensorSpec,
    find_codec,
    get_codec,
)
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.codecs.streams.camera_stream import sends_images
from neurosurgeon_ros.partition import PartitionPoint

#: Codecs for tensors that an arm's codec does not accept. The first one that accepts a tensor carries it unchanged.
PLAIN_CODECS = ("fp32", "uint8", "raw")

#: Limits without a calibration.
NO_LIMITS: Mapping[str, CrossingLimits] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Arm:
    """
    A partition point and a codec.

    :param point: p.
    :param codec: registered name; empty for `on_device`. Tensors that it does not accept are sent unchanged.
    :param name: "point/codec", or `on_device`.
    :param carriers: codec of each tensor that crosses.
    :param sends_image: whether the camera's image is sent in place of the network's input.
    """

    point: int
    codec: str
    name: str
    carriers: tuple[Codec | StreamCodec, ...] = field(default=(), compare=False, repr=False)
    sends_image: bool = field(default=False, compare=False, repr=False)

    @property
    def is_lossless(self) -> bool:
        """Return whether the arm's results always equal the whole network's, bit for bit."""
        return all(codec.lossless for codec in self.carriers)

    @property
    def camera_codec(self) -> CameraPicture | None:
        """Return the codec without memory of an arm that sends the camera's image; None for any other arm."""
        codec = find_codec(self.codec) if self.codec else None
        return codec if isinstance(codec, CameraPicture) else None

    @property
    def is_stream(self) -> bool:
        """Return whether robot and edge hold a reference for this arm, because its codec has memory."""
        return any(isinstance(codec, StreamCodec) for codec in self.carriers)


def list_arms(
    points: Sequence[PartitionPoint],
    codecs: Sequence[str],
    *,
    limits: Mapping[str, CrossingLimits] = NO_LIMITS,
    as_received: str = "",
) -> tuple[Arm, ...]:
    """
    List every partition point with every codec that can carry some tensor of it, then `on_device`.

    Codecs that encode a point's tensors in the same way form one arm, which has the name of the first codec. A codec
    that carries the camera's image is used only at p = 0, and only if the network's sole input is an image. A codec
    with memory that needs limits forms no arm.

    :param points: partition points of the network; the last one is `on_device`.
    :param codecs: registered names, with or without memory.
    :param limits: calibrated limits by name of the arm, for codecs that use limits; such a codec forms no arm where it
        has no limits.
    :param as_received: which of the codecs that forward what a camera sent is included, if it is named; empty: none.
    :raises ValueError: if a codec is not registered, or the limits do not belong to this network.
    """
    chosen = [find_codec(name) for name in codecs]
    arms = []
    for point in points[:-1]:
        seen: set[tuple[str, ...]] = set()
        for codec in chosen:
            name = f"{point.name}/{codec.name}"
            sends_image = isinstance(codec, CameraPicture) or (
                isinstance(codec, StreamCodec) and sends_images(codec, point.tensors)
            )
            if sends_image and not (point.index == 0 and len(point.tensors) == 1):
                continue
            if codec.name in AS_RECEIVED_CODECS and codec.name != as_received:
                continue
            if codec.calibrated and (name not in limits or isinstance(codec, StreamCodec)):
                continue
            carriers = carriers_of(codec, point.tensors)
            names = tuple(carrier.name for carrier in carriers)
            if carriers and names not in seen:
                seen.add(names)
                fitted = limited(carriers, point.tensors, limits[name]) if codec.calibrated else carriers
                arms.append(Arm(point.index, codec.name, name, fitted, sends_image))
    return (*arms, Arm(len(points) - 1, "", points[-1].name))


def plain_codec(spec: TensorSpec) -> Codec | None:
    """Return the first plain codec that accepts a tensor; None if there is none."""
    return next((codec for codec in map(get_codec, PLAIN_CODECS) if codec.accepts(spec)), None)


def carriers_of(codec: Codec | StreamCodec, specs: Sequence[TensorSpec]) -> tuple[Codec | StreamCodec, ...]:
    """
    Return the codec of each tensor: the given one if it accepts the tensor, otherwise the first plain one that does.

    :returns: empty if the codec accepts no tensor, or if no codec can carry one of them.
    """
    if not any(codec.accepts(spec) for spec in specs):
        return ()
    carriers = [codec if codec.accepts(spec) else plain_codec(spec) for spec in specs]
    return tuple(one for one in carriers if one is not None) if None not in carriers else ()


def limited(
    carriers: Sequence[Codec | StreamCodec], specs: Sequence[TensorSpec], limits: CrossingLimits
) -> tuple[Codec | StreamCodec, ...]:
    """
    Return the codec of each tensor, restricted to the tensor's limits.

    :raises CodecError: if the limits belong to another network.
    """
    if len(limits) != len(specs):
        raise CodecError(f"limits for {len(limits)} tensors were given where {len(specs)} cross; calibrate again")
    return tuple(
        carrier if limit is None or isinstance(carrier, StreamCodec) else carrier.within(limit, spec)
        for carrier, spec, limit in zip(carriers, specs, limits, strict=True)
    )
