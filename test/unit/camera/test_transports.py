# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The topics of the transports, with remappings as users of image_transport write them."""

from __future__ import annotations

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node

from neurosurgeon_ros.camera.transports import COMPRESSED, FFMPEG, RAW, transport_topic


@pytest.mark.parametrize(
    ("rules", "topics"),
    [
        ((), ("/robot/image_raw", "/robot/image_raw/compressed", "/robot/image_raw/ffmpeg")),
        (("image_raw:=/cam/image",), ("/cam/image", "/cam/image/compressed", "/cam/image/ffmpeg")),
        (
            ("image_raw/compressed:=/cam/image/compressed",),
            ("/robot/image_raw", "/cam/image/compressed", "/robot/image_raw/ffmpeg"),
        ),
        (
            ("image_raw:=/cam/image", "/cam/image/compressed:=/cam/small"),
            ("/cam/image", "/cam/small", "/cam/image/ffmpeg"),
        ),
    ],
)
def test_one_remapping_moves_all_and_that_of_a_transport_moves_it_alone(
    ros_domain: int, rules: tuple[str, ...], topics: tuple[str, ...]
) -> None:
    context = Context()
    rclpy.init(context=context, args=[])
    words = [word for rule in rules for word in ("-r", rule)]
    node = Node("robot_node", context=context, namespace="/robot", cli_args=["--ros-args", *words])
    try:
        assert tuple(transport_topic(node, one) for one in (RAW, COMPRESSED, FFMPEG)) == topics
    finally:
        node.destroy_node()
        context.try_shutdown()
