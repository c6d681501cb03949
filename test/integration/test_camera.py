# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot with ROS features: compressed images, remapping, qos_overrides, use_sim_time, and a camera's markers."""

from __future__ import annotations

from pictures import video_frame
from rclpy.qos import ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from support import Processes
from visualization_msgs.msg import Marker, MarkerArray
from watcher import Watcher, watching

from neurosurgeon_ros.camera.compressed import to_compressed
from neurosurgeon_ros.ros import qos

TOPIC = "/cam/image/compressed"
WORDS = (
    *("--ros-args", "-r", "image_raw:=/cam/image"),
    *("-p", "image_transport:=compressed", "-p", "threads:=1", "-p", "policy:=on_device", "-p", "codecs:=[uint8]"),
    *("-p", "use_sim_time:=true", "-p", "confidnce:=0.5", "-p", "nonsense:=1"),
    *("-p", f"qos_overrides.{TOPIC}.subscription.reliability:=reliable"),
    *("-p", "qos_overrides./detections/image.publisher.reliability:=reliable"),
)


def answered(watcher: Watcher, number: int) -> None:
    watcher.until(lambda: len(watcher.decisions) == len(watcher.detections) == number, f"answer {number}")


def test_compressed_images_come_by_one_remapping_and_people_see_what_was_found(processes: Processes) -> None:
    with watching() as watcher:
        # Another node publishes another type on the images' topic. The robot reports this once, with both types.
        wrong = watcher.node.create_publisher(Image, TOPIC, 10)
        robot = processes.start("robot_node", *WORDS)
        robot.wait_for_output(f"{TOPIC} carries sensor_msgs/msg/Image from /watcher, expected sensor_msgs/msg/Compr")
        watcher.diagnostics.clear()
        watcher.until(lambda: "/robot_node" in watcher.diagnostics, "the next diagnostics")
        assert robot.output.count("carries sensor_msgs/msg/Image") == 1
        watcher.node.destroy_publisher(wrong)
        assert "parameter confidnce is unknown and does nothing: did you mean confidence?" in robot.output
        assert "parameter nonsense is unknown and does nothing" in robot.output

        camera = watcher.node.create_publisher(CompressedImage, TOPIC, 10)
        infos = watcher.node.create_publisher(CameraInfo, "/cam/camera_info", 10)
        drawn: list[MarkerArray] = []
        watcher.node.create_subscription(MarkerArray, "detections/markers", drawn.append, qos.DETECTIONS)
        watcher.until(
            lambda: camera.get_subscription_count() and infos.get_subscription_count() and watcher.decisions == [],
            "a robot that takes compressed images",
        )
        reader = watcher.node.get_subscriptions_info_by_topic(TOPIC)[0]
        assert reader.qos_profile.reliability == ReliabilityPolicy.RELIABLE
        writer = watcher.node.get_publishers_info_by_topic("/detections/image")[0]
        assert writer.qos_profile.reliability == ReliabilityPolicy.RELIABLE

        image = video_frame(120)
        camera.publish(to_compressed(image, Header(frame_id="one")))
        answered(watcher, 1)
        assert watcher.detections[0].header.frame_id == "one" and len(watcher.detections[0].detections) > 0
        assert drawn == [], "without intrinsics there are no markers"

        broken = to_compressed(image, Header(frame_id="broken"))
        whole = broken.data
        for size in (1000, 1100, 1200):
            broken.data = whole[:size]
            camera.publish(broken)
        robot.wait_for_output("cut off")

        height, width = image.shape[:2]
        k = [500.0, 0.0, width / 2, 0.0, 500.0, height / 2, 0.0, 0.0, 1.0]
        while not drawn:
            infos.publish(CameraInfo(width=width, height=height, k=k))
            camera.publish(to_compressed(image, Header(frame_id="optical")))
            answered(watcher, len(watcher.decisions) + 1)
        assert [marker.action for marker in drawn[0].markers] == [Marker.DELETEALL] + [Marker.ADD] * (
            len(watcher.detections[-1].detections)
        )
        assert drawn[0].markers[-1].header.frame_id == "optical"
        assert watcher.decisions[-1].frames_rejected == 3
        assert robot.output.count("cut off") == 1, "damaged images of any size have one reason"
    assert "Traceback" not in robot.output


def test_an_image_on_the_other_transport_is_told(processes: Processes) -> None:
    with watching() as watcher:
        watcher.node.create_publisher(CompressedImage, "image_raw/compressed", 10)
        watcher.node.destroy_publisher(watcher.camera)
        robot = processes.start("robot_node", "--ros-args", "-p", "threads:=1", "-p", "codecs:=[uint8]")
        robot.wait_for_output("/image_raw/compressed is there: set image_transport to compressed")
        watcher.until(lambda: "no image has come on /image_raw" in watcher.diagnostics.get("/robot_node", ""), "ERROR")
