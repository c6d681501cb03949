# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the alternatives, as an engineer who knows ROS would choose it."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

#: On one machine, as camera drivers publish.
SENSOR_DATA = qos_profile_sensor_data

#: Over a link only the newest image is worth sending, and one lost packet must not cost a whole image.
IMAGES_OVER_A_LINK = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
