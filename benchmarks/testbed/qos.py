# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of the alternatives, as an experienced ROS engineer would choose it."""

from __future__ import annotations

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

#: For a camera, as camera drivers publish images on one machine.
SENSOR_DATA = qos_profile_sensor_data

#: For a detector on the same machine, as yolo_ros subscribes. Images that arrive while it works replace each other.
#: With a queue, every detection would be old on a robot that is too slow for its camera.
NEWEST_IMAGE = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.BEST_EFFORT,
    durability=DurabilityPolicy.VOLATILE,
)

#: For images over a link. Only the newest image is worth sending, and a lost packet must not lose the image.
IMAGES_OVER_A_LINK = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)

#: For the answers of a stream's receiver: each packet has one, and the next packet waits for it.
STREAM_ANSWERS = IMAGES_OVER_A_LINK
