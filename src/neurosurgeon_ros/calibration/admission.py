# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Admission of arms: their agreement with the whole network, and whether they reveal the camera's image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neurosurgeon_ros.calibration.fidelity import ArmFidelity, FidelityTable
from neurosurgeon_ros.codecs import CODECS, is_stream_codec
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.inference.arm import NO_LIMITS, Arm
from neurosurgeon_ros.inference.engine import Engine

#: In a list of codecs: all codecs without memory, and those with memory that the network's calibration has.
AUTO = "auto"

#: Codecs that lose so little that they are used without a calibration.
_ALMOST_LOSSLESS = ("fp16", "fp16-zstd")


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """
    Rules that no policy may break.

    :param min_fidelity: minimum agreement with the whole network, in [0, 1]; 0: no minimum.
    :param fidelity: measured agreement; None if there is none: only lossless arms and fp16 may be used then.
    :param allow_raw_images: whether a tensor of the input's own shape may leave the robot.
    :param min_partition_point: name of the earliest point whose tensors may leave the robot; empty: any point.
    :param rate_hz: the camera's images per second, for arms with memory; 0 if it is unknown.
    """

    min_fidelity: float = 0.95
    fidelity: FidelityTable | None = None
    allow_raw_images: bool = True
    min_partition_point: str = ""
    rate_hz: float = 0.0

    @property
    def limits(self) -> Mapping[str, CrossingLimits]:
        """Return the limits of quantisation by name of the arm, as :meth:`Engine.arms` takes them."""
        return self.fidelity.limits if self.fidelity else NO_LIMITS

    def admit(self, engine: Engine, arms: Sequence[Arm]) -> tuple[Arm, ...]:
        """
        Return the arms that may be used; `on_device` is always allowed.

        :raises ValueError: if the network has no point named `min_partition_point`.
        """
        first = self._first_point(engine)
        return tuple(
            arm
            for arm in arms
            if arm.point == engine.on_device
            or (
                arm.point >= first
                and (self.allow_raw_images or not _shows_image(engine, arm.point))
                and self._agrees(engine, arm)
            )
        )

    def fidelity_of(self, engine: Engine, arm: Arm) -> float:
        """Return an arm's expected agreement, in [0, 1]; 1 if it is unknown."""
        known = None if arm.is_lossless else self.known(arm)
        return known.fidelity if known else 1.0

    def expected_bytes(self, engine: Engine, arm: Arm, *, customary: bool = False) -> float:
        """
        Return the number of bytes that an arm is expected to send: the measured number, or else the usual one.

        If the arm's codec has memory, these are the bytes of a frame that is no key.

        :param customary: if the arm sends the camera's image itself, return the bytes of an image of
            ``CUSTOMARY_PIXELS`` instead of those of the measured images.
        """
        known = self.known(arm)
        if known is None:
            return float(engine.expected_bytes(arm))
        return self._scaled(arm, known.sent_bytes) if customary else known.sent_bytes

    def expected_key_bytes(self, engine: Engine, arm: Arm, *, customary: bool = False) -> float:
        """
        Return the number of bytes that a stream's key is expected to have; 0 if the arm's codec has no memory.

        :param customary: as in :meth:`expected_bytes`.
        """
        if not arm.is_stream:
            return 0.0
        known = self.fidelity.stream_at(arm.name, self.rate_hz) if self.fidelity else None
        if known is None:
            return float(engine.expected_bytes(arm, key=True))
        return self._scaled(arm, known.key_bytes) if customary else known.key_bytes

    def _scaled(self, arm: Arm, measured: float) -> float:
        """Return measured bytes for an image of ``CUSTOMARY_PIXELS``, if the arm sends the camera's image."""
        pixels = self.fidelity.pixels if self.fidelity else 0.0
        return measured * CUSTOMARY_PIXELS / pixels if arm.sends_image and pixels else measured

    def known(self, arm: Arm) -> ArmFidelity | None:
        """Return what the calibration knows of an arm, at the camera's rate if it has memory; None if nothing."""
        if self.fidelity is None:
            return None
        return self.fidelity.stream_at(arm.name, self.rate_hz) if arm.is_stream else self.fidelity.arms.get(arm.name)

    def _agrees(self, engine: Engine, arm: Arm) -> bool:
        if self.min_fidelity == 0.0 or arm.is_lossless:
            return True
        known = self.known(arm)
        return known.reaches(self.min_fidelity) if known else arm.codec in _ALMOST_LOSSLESS

    def _first_point(self, engine: Engine) -> int:
        if not self.min_partition_point:
            return 0
        names = [point.name for point in engine.partitioned.points]
        if self.min_partition_point not in names:
            raise ValueError(
                f"{engine.model.name} has no partition point {self.min_partition_point!r}; "
                f"choose one of {', '.join(names)}"
            )
        return names.index(self.min_partition_point)


#: Admits every arm, regardless of what it loses or reveals.
ALL_ARMS = Admission(min_fidelity=0.0)


def expand(codecs: Sequence[str], fidelity: FidelityTable | None = None, *, as_received: str = "") -> tuple[str, ...]:
    """
    Return the codecs that a list names.

    `auto` stands for all codecs without memory, for those with memory of which the calibration has an arm, and for the
    one that forwards what the camera sends. Names beside `auto` add codecs.

    :param fidelity: the network's calibration; None if there is none.
    :param as_received: codec that forwards what the camera sends; empty: none.
    """
    if AUTO not in codecs:
        return tuple(codecs)
    judged = [name.rpartition("/")[2] for name in (fidelity.streams if fidelity else ())]
    named = [name for name in (*judged, *codecs, as_received) if is_stream_codec(name)]
    return (*CODECS, *dict.fromkeys(named))


def _shows_image(engine: Engine, point: int) -> bool:
    """Return whether the image itself crosses at a point, with its own or other values; a skip may carry it."""
    points = engine.partitioned.points
    shapes = {spec.shape for spec in points[0].tensors}
    return point == 0 or any(spec.shape in shapes for spec in points[point].tensors)
