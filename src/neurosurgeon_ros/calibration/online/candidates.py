# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arms that a robot may still judge, and the order in which it does so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurosurgeon_ros.calibration.admission import AUTO, Admission
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.calibration.fidelity import FidelityTable
from neurosurgeon_ros.calibration.online.progress import NOTHING, Screened
from neurosurgeon_ros.calibration.online.promise import in_turns, is_no_finer, worth_judging
from neurosurgeon_ros.calibration.pruning import Costs
from neurosurgeon_ros.codecs import CODECS, STREAM_CODECS, get_codec
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.inference.arm import Arm, carriers_of
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import BoolArray, FloatArray, IntArray

#: In the name of a codec: it quantises within calibrated limits.
_CALIBRATED = "-cal-zstd"


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """
    What a robot's parameters ask of its arms.

    :param codecs: as in the parameter `codecs`.
    :param admission: the rules for arms, without a calibration.
    """

    codecs: tuple[str, ...]
    admission: Admission


class Candidates:
    """
    The arms of a network.

    :param terms: returns the present parameters.
    :param profile: delays of this machine.
    :param speed: speed of the emulated robot as a fraction of this machine's speed.
    """

    def __init__(self, engine: Engine, terms: Callable[[], Terms], profile: DelayProfile, speed: float) -> None:
        self._engine = engine
        self.terms = terms
        self._profile = profile
        self._speed = speed

    def arms(self, limits: Mapping[str, CrossingLimits]) -> tuple[Arm, ...]:
        """Return every arm that the parameters allow if it agrees well enough, `on_device` last."""
        terms = self.terms()
        codecs = (*CODECS, *STREAM_CODECS) if AUTO in terms.codecs else terms.codecs
        return replace(terms.admission, min_fidelity=0.0).admit(self._engine, self._engine.arms(codecs, limits=limits))

    def known(self, arms: Sequence[Arm], table: FidelityTable) -> set[str]:
        """Return the names of the arms that may be used already."""
        return {arm.name for arm in replace(self.terms().admission, fidelity=table).admit(self._engine, arms)}

    def order(
        self, arms: Sequence[Arm], known: set[str], refused: set[str], screened: Mapping[str, Screened]
    ) -> list[Arm]:
        """
        Return the arms that are worth judging, the most valuable one first.

        As in :func:`.pruning.useful_arms`, arms that send the camera's image do not displace others, and arms with
        memory do not displace arms without memory.

        :param arms: `on_device` is last.
        :param refused: names of arms that do not agree, or cannot be used.
        :param screened: what arms cost; others are left out.
        """
        coarse = [(arm.point, arm.codec) for arm in arms if arm.name in refused]
        possible = [
            arm
            for arm in arms
            if arm.name in screened
            and arm.name not in refused
            and (arm.name in known or not any(arm.point == p and is_no_finer(arm.codec, c) for p, c in coarse))
        ]
        possible.append(arms[-1])
        costs = self._costs([screened.get(arm.name, NOTHING) for arm in possible], possible)
        usable = np.array([arm.name in known for arm in possible], dtype=np.bool_)
        camera = np.array([arm.sends_image for arm in possible], dtype=np.bool_)
        stream = np.array([arm.is_stream for arm in possible], dtype=np.bool_)
        groups = self._groups(usable, camera, stream)
        orders = [worth_judging(costs.of(group), usable[group], self._speed) for group in groups]
        return [possible[index] for index in in_turns(orders, groups)]

    @staticmethod
    def _groups(usable: BoolArray, camera: BoolArray, stream: BoolArray) -> list[IntArray]:
        last = len(camera) - 1
        plain, of_camera = np.flatnonzero(~camera & ~stream), np.flatnonzero(camera & ~stream)
        streams = np.flatnonzero(stream | usable)
        return [np.union1d(group, [last]) for group in (plain, of_camera, streams) if len(group)]

    def _costs(self, screened: Sequence[Screened], arms: Sequence[Arm]) -> Costs:
        profile, point = self._profile, np.array([arm.point for arm in arms], dtype=np.int64)
        camera = np.array([arm.sends_image for arm in arms], dtype=np.bool_)
        robot_s: FloatArray = profile.front_s[point] + [one.robot_s for one in screened]
        robot_s[~camera] += profile.preprocess_s
        robot_s[-1] += profile.postprocess_s
        return Costs(
            robot_s=robot_s / self._speed,
            decode_s=np.array([one.decode_s for one in screened]),
            back_s=profile.front_s[-1] - profile.front_s[point],
            sent_bytes=np.array([one.sent_bytes for one in screened]),
        )


def calibrated_codec(arm: Arm) -> str:
    """
    Return the codec that quantises like an arm's codec, but within calibrated limits; empty if there is none.

    Such a codec is worth trying where its sibling loses too much, since it gives finer steps and more bytes.
    """
    name = f"{arm.codec.removesuffix('-zstd')}{_CALIBRATED}"
    return name if arm.codec in CODECS and name in CODECS and not get_codec(arm.codec).calibrated else ""


def calibrated_sibling(engine: Engine, arm: Arm, screened: Screened) -> tuple[Arm, Screened]:
    """Return the arm with :func:`calibrated_codec`, before it has limits, and what it probably costs."""
    codec = calibrated_codec(arm)
    specs = engine.partitioned.points[arm.point].tensors
    sibling = Arm(arm.point, codec, f"{engine.partitioned.points[arm.point].name}/{codec}")
    own, limited = (
        sum(
            carrier.expected_bytes(spec)
            for carrier, spec in zip(carriers_of(get_codec(name), specs), specs, strict=True)
        )
        for name in (f"{arm.codec.removesuffix('-zstd')}-zstd", codec)
    )
    return sibling, replace(screened, sent_bytes=screened.sent_bytes * limited / max(1, own))
