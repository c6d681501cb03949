# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A camera's driver with default settings: a plain rclpy publisher with Fast DDS's default profile, without this package.

`python camera_driver.py WIDTH HEIGHT HZ IMAGES {reliable,best_effort} [--info]` publishes on image_raw once there is a
subscriber, prints how many images it has published, and then waits until it is terminated.
"""

from __future__ import annotations

import argparse
import array
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image


def main() -> None:
    """Publish images according to the command line."""
    parser = argparse.ArgumentParser()
    for name in ("width", "height", "hz", "images"):
        parser.add_argument(name, type=int)
    parser.add_argument("reliability", type=str.upper)
    parser.add_argument("--info", action="store_true")
    args = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node("driver")
    profile = QoSProfile(depth=10, reliability=ReliabilityPolicy[args.reliability])
    images = node.create_publisher(Image, "image_raw", profile)
    infos = node.create_publisher(CameraInfo, "camera_info", profile) if args.info else None
    message = Image(width=args.width, height=args.height, step=3 * args.width, encoding="bgr8")
    message.data = array.array("B", bytes(3 * args.width * args.height))

    def settled() -> bool:
        """Return whether there is one subscription, of the reliability that the robot chooses for this publisher."""
        found = node.get_subscriptions_info_by_topic("image_raw")
        return len(found) == 1 and found[0].qos_profile.reliability == profile.reliability

    since = time.monotonic()
    while time.monotonic() - since < 1.0:
        rclpy.spin_once(node, timeout_sec=0.05)
        if not settled() or images.get_subscription_count() != 1:
            since = time.monotonic()
    next_s = time.monotonic()
    for number in range(args.images):
        message.header.stamp.sec = number + 1
        images.publish(message)
        if infos is not None:
            infos.publish(CameraInfo(header=message.header, width=args.width, height=args.height))
        next_s += 1.0 / args.hz
        rclpy.spin_once(node, timeout_sec=0.0)
        time.sleep(max(0.0, next_s - time.monotonic()))
    print(f"published {args.images} images", flush=True)
    rclpy.spin(node)


if __name__ == "__main__":
    main()
