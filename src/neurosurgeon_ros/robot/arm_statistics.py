# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Running means of each arm's delays and payload sizes, initialised from the arm table's profile."""

from __future__ import annotations

import math

import numpy as np

from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.codecs.streams.video.received.chain import VideoChain
from neurosurgeon_ros.learning.interface import FloatArray

#: Weight of the newest value in a running mean.
NEWEST = 0.2

#: A gap between frames counts as at most this many periods, so a pause of the camera does not distort its rate.
LONGEST_GAP = 2.0

#: The derived deadline is this many times the on-device delay, or the camera's period if that is longer.
DEADLINE_FACTOR = 1.5


class ArmStatistics:
    """
    Running means for one arm table. Used only by the robot's worker thread.

    :param speed: speed of the emulated robot as a fraction of this machine's speed.

    :ivar period_s: expected seconds between two images of the camera; 0 until two frames have been accepted.
    :ivar features: the table's features, with psi updated from the bytes sent recently. Read-only, shape (n, 7).
    :ivar key_bytes: the table's bytes of keys, updated from the keys sent recently. Read-only, shape (n,).
    :ivar robot_s: the table's robot delays, updated from recent encoding times. Read-only, shape (n,).
    :ivar finish_s: seconds to finish a frame on the robot after an arm's tensors were published. Read-only, shape (n,).
    """

    def __init__(self, table: ArmTable, speed: float) -> None:
        self.period_s = 0.0
        self.features: FloatArray = table.features
        self.key_bytes: FloatArray = table.key_bytes
        self.robot_s: FloatArray = table.robot_s
        self._on_device_s = float(table.robot_s[table.on_device])
        self._padding_saving_s = 0.0
        self._encode_s = table.profile.encode_s / speed
        self._speed = speed
        self._has_received_bytes = False
        self._received_packet = 0
        self._camera = table.camera
        self._is_input = table.point == 0
        self._pixels = CUSTOMARY_PIXELS
        self._arrived_s, self._number = math.nan, 0
        self.finish_s = self._finish_s(self.robot_s)

    def for_table(self, table: ArmTable) -> ArmStatistics:
        """Return statistics for another table, initialised from its profile, for the same camera."""
        statistics = ArmStatistics(table, self._speed)
        statistics.period_s = self.period_s
        statistics._arrived_s, statistics._number = self._arrived_s, self._number
        statistics.set_image_size(self._pixels)
        statistics.set_padding_saving(self._padding_saving_s)
        return statistics

    def record_arrival(self, arrived_s: float, number: int) -> None:
        """
        Record when an accepted frame arrived from the camera.

        :param arrived_s: seconds on the clock.
        :param number: number of the frame among all images of the camera, including those that were dropped.
        """
        gap_s = (arrived_s - self._arrived_s) / max(1, number - self._number)
        self._arrived_s, self._number = arrived_s, number
        if gap_s > 0.0 and self.period_s == 0.0:
            self.period_s = gap_s
        elif gap_s > 0.0:
            self.period_s += NEWEST * (min(gap_s, LONGEST_GAP * self.period_s) - self.period_s)

    @property
    def image_share(self) -> float:
        """Return the camera image's pixels divided by those of the typical image that the arm table was made for."""
        return self._pixels / CUSTOMARY_PIXELS

    def set_image_size(self, pixels: int) -> None:
        """Set the number of pixels per camera image. Bytes and encoding time are proportional to it."""
        share = pixels / self._pixels
        if share in (0.0, 1.0):
            return
        features, robot_s, means_s = self.features.copy(), self.robot_s.copy(), self._encode_s.copy()
        key_bytes = np.where(self._camera, share * self.key_bytes, self.key_bytes)
        robot_s[self._camera] += (share - 1.0) * means_s[self._camera]
        means_s[self._camera] *= share
        features[self._camera, PSI] *= share
        self._encode_s, self._pixels = means_s, pixels
        self._replace(features, robot_s, key_bytes)

    def set_padding_saving(self, seconds: float) -> None:
        """Set the seconds that the whole network saves on the robot by skipping the image's padding."""
        if seconds == self._padding_saving_s:
            return
        robot_s = self.robot_s.copy()
        robot_s[-1] -= seconds - self._padding_saving_s
        self._on_device_s -= seconds - self._padding_saving_s
        self._padding_saving_s = seconds
        self._replace(self.features, robot_s, self.key_bytes)

    def record_encoding(self, arm: int, encode_s: float, sent_bytes: int, *, is_key: bool = False) -> None:
        """
        Record how many seconds encoding an arm's tensors took, and their size in bytes.

        :param is_key: whether they are a stream's key, whose size says nothing about the frames after it.
        """
        features, robot_s, means_s = self.features.copy(), self.robot_s.copy(), self._encode_s.copy()
        key_bytes = self.key_bytes.copy()
        sizes = key_bytes if is_key else features[:, PSI]
        sizes[arm] += NEWEST * (sent_bytes - sizes[arm])
        step_s = NEWEST * (encode_s - means_s[arm])
        means_s[arm] += step_s
        robot_s[arm] += step_s
        self._encode_s = means_s
        self._replace(features, robot_s, key_bytes)

    def record_received_bytes(self, arm: int, received_bytes: int) -> None:
        """Record the size in bytes of a camera picture that `arm` would send as received."""
        features = self.features.copy()
        newest = NEWEST if self._has_received_bytes else 1.0
        features[arm, PSI] += newest * (received_bytes - features[arm, PSI])
        self._replace(features, self.robot_s, self.key_bytes)
        self._has_received_bytes = True

    def record_received_video(self, arm: int, chain: VideoChain) -> None:
        """
        Record the packets of an accepted frame that `arm` would send as received.

        A key would have all of them. A frame that is no key would have those since the last accepted frame, unless a
        key of the camera is among them.
        """
        features, key_bytes = self.features.copy(), self.key_bytes.copy()
        key_bytes[arm] = chain.nbytes
        if chain.holds(self._received_packet):
            newest = NEWEST if self._has_received_bytes else 1.0
            sent_bytes = sum(packet.nbytes for packet in chain.after(self._received_packet))
            features[arm, PSI] += newest * (sent_bytes - features[arm, PSI])
            self._has_received_bytes = True
        self._received_packet = chain.last
        self._replace(features, self.robot_s, key_bytes)

    @property
    def excess_key_bytes(self) -> FloatArray:
        """Return by how many bytes a stream's key exceeds a later frame; 0 for codecs without memory. Shape (n,)."""
        excess: FloatArray = np.maximum(0.0, self.key_bytes - self.features[:, PSI])
        return excess

    @property
    def sample_bytes(self) -> FloatArray:
        """Return the bytes of a sample of each arm: those of a key if its codec has memory. Shape (n,)."""
        sample_bytes: FloatArray = np.where(self.key_bytes > 0.0, self.key_bytes, self.features[:, PSI])
        return sample_bytes

    @property
    def deadline_s(self) -> float:
        """Return the seconds after which the robot finishes a frame itself, used if the user sets no deadline."""
        return max(self.period_s, DEADLINE_FACTOR * self._on_device_s)

    def _replace(self, features: FloatArray, robot_s: FloatArray, key_bytes: FloatArray) -> None:
        """Replace the arrays. Contexts keep the old arrays, which do not change."""
        features.flags.writeable = robot_s.flags.writeable = key_bytes.flags.writeable = False
        self.features, self.robot_s, self.key_bytes = features, robot_s, key_bytes
        self.finish_s = self._finish_s(robot_s)

    def _finish_s(self, robot_s: FloatArray) -> FloatArray:
        whole_s = robot_s[-1] + np.where(self._is_input, 0.0, self._padding_saving_s)
        finish_s: FloatArray = np.maximum(0.0, whole_s - (robot_s - self._encode_s))
        finish_s[-1] = 0.0
        finish_s.flags.writeable = False
        return finish_s
