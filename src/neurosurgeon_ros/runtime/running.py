# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is measured while a robot runs: the camera's period, and what each arm's tensors weigh and cost to encode."""

from __future__ import annotations

import math

from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.runtime.arms import PSI, ArmTable

#: Weight of the newest value in a running mean.
NEWEST = 0.2

#: A gap between frames counts as at most this many periods, so that a camera's pause is not taken for its rate.
LONGEST_GAP = 2.0

#: The derived deadline: this many times the on-device delay, if that is more than the camera's period.
DEADLINE_FACTOR = 1.5


class RunningMeans:
    """
    Begins with what the arm table was calibrated with.

    :param speed: speed of the emulated robot as a fraction of this machine's.

    :ivar period_s: expected seconds between accepted frames; 0 until two have come.
    :ivar features: the table's, with psi in the bytes that were sent lately. Read-only, shape (n, 7).
    :ivar robot_s: the table's, with what encoding took lately. Read-only, shape (n,).
    """

    def __init__(self, table: ArmTable, speed: float) -> None:
        self.period_s = 0.0
        self.features: FloatArray = table.features
        self.robot_s: FloatArray = table.robot_s
        self._on_device_s = float(table.robot_s[table.on_device])
        self._saved_s = 0.0
        self._encode_s = table.calibration.encode_s / speed
        self._speed = speed
        self._pictures = False
        self._camera = table.camera
        self._pixels = CUSTOMARY_PIXELS
        self._received_s = math.nan

    def for_table(self, table: ArmTable) -> RunningMeans:
        """Return the means of another table, which begin with its calibration, under the same camera."""
        means = RunningMeans(table, self._speed)
        means.period_s, means._received_s = self.period_s, self._received_s
        means.shown(self._pixels)
        means.saves(self._saved_s)
        return means

    def received(self, received_s: float) -> None:
        """Take note of when an accepted frame came from the camera."""
        gap_s = received_s - self._received_s
        self._received_s = received_s
        if gap_s > 0.0 and self.period_s == 0.0:
            self.period_s = gap_s
        elif gap_s > 0.0:
            self.period_s += NEWEST * (min(gap_s, LONGEST_GAP * self.period_s) - self.period_s)

    @property
    def image_share(self) -> float:
        """Pixels of the camera's images over those of a customary one, for which the arm table was made."""
        return self._pixels / CUSTOMARY_PIXELS

    def shown(self, pixels: int) -> None:
        """Take note of the size of the camera's images: what they weigh, and take to encode, goes with it."""
        share = pixels / self._pixels
        if share in (0.0, 1.0):
            return
        features, robot_s, means_s = self.features.copy(), self.robot_s.copy(), self._encode_s.copy()
        robot_s[self._camera] += (share - 1.0) * means_s[self._camera]
        means_s[self._camera] *= share
        features[self._camera, PSI] *= share
        features.flags.writeable = robot_s.flags.writeable = False
        self.features, self.robot_s, self._encode_s, self._pixels = features, robot_s, means_s, pixels

    def saves(self, seconds: float) -> None:
        """Take note of the robot's seconds that the whole network takes less than the table says."""
        if seconds == self._saved_s:
            return
        robot_s = self.robot_s.copy()
        robot_s[-1] -= seconds - self._saved_s
        robot_s.flags.writeable = False
        self._on_device_s -= seconds - self._saved_s
        self.robot_s, self._saved_s = robot_s, seconds

    def encoded(self, arm: int, encode_s: float, sent_bytes: int) -> None:
        """Take note of what encoding an arm's tensors took, and what they weigh."""
        features, robot_s, means_s = self.features.copy(), self.robot_s.copy(), self._encode_s.copy()
        features[arm, PSI] += NEWEST * (sent_bytes - features[arm, PSI])
        step_s = NEWEST * (encode_s - means_s[arm])
        means_s[arm] += step_s
        robot_s[arm] += step_s
        features.flags.writeable = robot_s.flags.writeable = False
        self.features, self.robot_s, self._encode_s = features, robot_s, means_s

    def came(self, arm: int, sent_bytes: int) -> None:
        """Take note of what a camera's picture weighs that `arm` would send as it is; nothing is known before."""
        features = self.features.copy()
        newest = NEWEST if self._pictures else 1.0
        features[arm, PSI] += newest * (sent_bytes - features[arm, PSI])
        features.flags.writeable = False
        self.features, self._pictures = features, True

    @property
    def deadline_s(self) -> float:
        """Seconds after which a frame is finished on the robot, where the user sets none."""
        return max(self.period_s, DEADLINE_FACTOR * self._on_device_s)
