# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms: every partition point with every codec that can carry what crosses there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from neurosurgeon_ros.codecs import CameraPicture, Codec, CodecError, TensorSpec, get_codec
from neurosurgeon_ros.codecs.camera import AS_RECEIVED
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.partition import PartitionPoint

#: What carries a tensor that an arm's codec does not accept: the first of these that does, as it is.
PLAIN_CODECS = ("fp32", "uint8", "raw")

#: As long as nothing was calibrated.
NO_LIMITS: Mapping[str, CrossingLimits] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Arm:
    """
    A partition point with a codec.

    :param point: p.
    :param codec: registered name; empty for `on_device`. Tensors that it does not accept travel as they are.
    :param name: "point/codec", or `on_device`.
    :param carriers: what encodes each tensor that crosses.
    """

    point: int
    codec: str
    name: str
    carriers: tuple[Codec, ...] = field(default=(), compare=False, repr=False)

    @property
    def is_lossless(self) -> bool:
        """Whether the arm's results are the whole network's, bit for bit."""
        return all(codec.lossless for codec in self.carriers)

    @property
    def camera_codec(self) -> CameraPicture | None:
        """The codec of an arm that sends the camera's image; None for any other arm."""
        codec = get_codec(self.codec) if self.codec else None
        return codec if isinstance(codec, CameraPicture) else None


def list_arms(
    points: Sequence[PartitionPoint],
    codecs: Sequence[str],
    *,
    limits: Mapping[str, CrossingLimits] = NO_LIMITS,
    as_received: bool = False,
) -> tuple[Arm, ...]:
    """
    List every partition point with every codec that can carry some tensor of it, then `on_device`.

    Codecs that encode a point's tensors in the same way are one arm, which has the name of the first. A codec that
    carries the camera's image stands at p = 0 alone, where the network takes nothing but an image.

    :param points: of the network, the last one `on_device`.
    :param limits: what a calibration found for codecs that take limits, by name of the arm; those of which it found
        nothing are no arms.
    :param as_received: whether `as_received` is there, too, if it is named.
    :raises ValueError: if a codec is not registered, or limits are not those of this network.
    """
    chosen = [get_codec(name) for name in codecs]
    arms = []
    for point in points[:-1]:
        seen: set[tuple[str, ...]] = set()
        for codec in chosen:
            name = f"{point.name}/{codec.name}"
            if isinstance(codec, CameraPicture) and not (point.index == 0 and len(point.tensors) == 1):
                continue
            if codec is AS_RECEIVED and not as_received:
                continue
            if codec.calibrated and name not in limits:
                continue
            carriers = carriers_of(codec, point.tensors)
            names = tuple(carrier.name for carrier in carriers)
            if carriers and names not in seen:
                seen.add(names)
                fitted = limited(carriers, point.tensors, limits[name]) if codec.calibrated else carriers
                arms.append(Arm(point.index, codec.name, name, fitted))
    return (*arms, Arm(len(points) - 1, "", points[-1].name))


def carriers_of(codec: Codec, specs: Sequence[TensorSpec]) -> tuple[Codec, ...]:
    """
    Return what carries each tensor: the codec where it accepts the tensor, for the rest the first plain one that does.

    :returns: nothing if the codec accepts none of the tensors, or if one of them can be carried by nothing.
    """
    plain = [get_codec(name) for name in PLAIN_CODECS]
    if not any(codec.accepts(spec) for spec in specs):
        return ()
    carriers = [next((one for one in (codec, *plain) if one.accepts(spec)), None) for spec in specs]
    return tuple(one for one in carriers if one is not None) if None not in carriers else ()


def limited(carriers: Sequence[Codec], specs: Sequence[TensorSpec], limits: CrossingLimits) -> tuple[Codec, ...]:
    """
    Return what carries each tensor within its limits.

    :raises CodecError: the limits are another network's.
    """
    if len(limits) != len(specs):
        raise CodecError(f"limits for {len(limits)} tensors were given where {len(specs)} cross; calibrate again")
    return tuple(
        carrier if limit is None else carrier.within(limit, spec)
        for carrier, spec, limit in zip(carriers, specs, limits, strict=True)
    )
