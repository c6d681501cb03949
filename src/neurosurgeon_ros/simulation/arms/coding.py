# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Properties of codecs in an environment: encoding and decoding times, fidelity and image sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.calibration.pruning import fidelity_penalty_s
from neurosurgeon_ros.learning.interface import FloatArray, IntArray
from neurosurgeon_ros.simulation.streams.bytes import StreamBytes


@dataclass(frozen=True, slots=True, eq=False)
class Coding:
    """
    Properties of the codecs of the n arms of an environment.

    :param point: partition point p of each arm. Shape (n,).
    :param encode_s: seconds of encoding on the robot; `robot_s` of the environment includes them. Shape (n,).
    :param decode_s: seconds of decoding at the edge. Shape (n,).
    :param fidelity: expected fidelity of each arm, in [0, 1]. Shape (n,).
    :param fidelity_price_s: penalty in seconds for each hundredth of fidelity that an arm loses.
    :param content: bytes of each camera image, relative to the usual bytes of its arm; repeated as often as needed.
        Shape (images,). None: all images have the usual bytes.
    :param streams: bytes of the arms whose codec has memory; None if there are none.
    :param known: the robot's own arm table at the start, with the robot's seconds in its profile. None: the robot knows
        the true values.
    """

    point: IntArray
    encode_s: FloatArray
    decode_s: FloatArray
    fidelity: FloatArray
    fidelity_price_s: float = 0.0
    content: FloatArray | None = None
    streams: StreamBytes | None = None
    known: ArmTable | None = None

    @classmethod
    def none(cls, n: int) -> Coding:
        """Make the coding of n partition points whose tensors are sent as they are in memory."""
        return cls(np.arange(n), np.zeros(n), np.zeros(n), np.ones(n))

    @property
    def penalty_s(self) -> FloatArray:
        """Return the penalty in seconds for the fidelity that each arm loses, shape (n,)."""
        return fidelity_penalty_s(self.fidelity, self.fidelity_price_s)

    def content_of(self, image: int) -> float:
        """Return the bytes of a camera image relative to the usual bytes. The first image has number 0."""
        return 1.0 if self.content is None else float(self.content[image % len(self.content)])
