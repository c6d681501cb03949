# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot and a camera's driver with default settings, and the robot's reports if no image or few images arrive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import camera_driver
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import SHIPPED

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT
ALONE = (pytest.mark.full, pytest.mark.alone)
OVERRIDE = ("-p", "qos_overrides./image_raw.subscription.reliability:=reliable")


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        watcher.node.destroy_publisher(watcher.camera)
        yield watcher


def start_robot(processes: Processes, *words: str) -> Process:
    fixed = ("-p", "threads:=1", "-p", "policy:=on_device", "-p", "codecs:=[uint8]")
    return processes.start("robot_node", "--ros-args", *fixed, *words)


def publish(watcher: Watcher, reliability: ReliabilityPolicy, topic: str = "image_raw") -> Publisher:
    publisher = watcher.node.create_publisher(Image, topic, QoSProfile(depth=10, reliability=reliability))
    watcher.camera = publisher
    return publisher


def until_asked_for(watcher: Watcher, reliability: ReliabilityPolicy) -> None:
    """Wait until the robot has one subscription to the images, of this reliability, and the publisher is matched."""

    def there() -> bool:
        found = watcher.node.get_subscriptions_info_by_topic("image_raw")
        return [one.qos_profile.reliability for one in found] == [reliability]

    watcher.until(there, f"one subscription that is {reliability.name}")
    watcher.until(lambda: watcher.camera.get_subscription_count() == 1, "the robot")


def test_a_camera_on_another_topic_is_named_with_how_to_remap(processes: Processes, watcher: Watcher) -> None:
    publish(watcher, BEST_EFFORT, "/cam0/image_raw")
    robot = start_robot(processes)
    robot.wait_for_output("image_raw:=/cam0/image_raw, or image_topic:=/cam0/image_raw by launch")
    assert "/cam0/image_raw by /watcher (best effort, volatile" in robot.output
    watcher.until(lambda: "-r image_raw:=/cam0/image_raw" in watcher.diagnostics.get("/robot_node", ""), "diagnostics")
    watcher.diagnostics.clear()
    watcher.until(lambda: "/robot_node" in watcher.diagnostics, "the next diagnostics")
    assert robot.output.count("-r image_raw:=/cam0/image_raw") == 1, "it is said once"

    # Images appear on the expected topic, and disappear again.
    publish(watcher, BEST_EFFORT)
    until_asked_for(watcher, BEST_EFFORT)
    watcher.step()
    robot.wait_for_output("images come on /image_raw")
    robot.wait_for_output("publishes /image_raw, but sends none any more")
    watcher.node.destroy_publisher(watcher.camera)
    robot.wait_for_output("and its publisher is gone")


def test_a_camera_that_does_not_match_is_named_with_the_override(processes: Processes, watcher: Watcher) -> None:
    publish(watcher, BEST_EFFORT)
    robot = start_robot(processes, *OVERRIDE)
    robot.wait_for_output("with a quality of service that the robot's does not match")
    assert "remove what qos_overrides./image_raw.subscription asks for" in robot.output


def test_compressed_images_on_another_topic_are_named_with_the_parameter(
    processes: Processes, watcher: Watcher
) -> None:
    watcher.node.create_publisher(CompressedImage, "/cam0/image/compressed", 10)
    robot = start_robot(processes)
    robot.wait_for_output("there are compressed images on /cam0/image/compressed by /watcher")


def test_the_robot_asks_for_what_every_publisher_offers(processes: Processes, watcher: Watcher) -> None:
    """Reliable; then a best-effort camera in addition; none; best effort alone. Every image is answered."""
    start_robot(processes)
    first = publish(watcher, RELIABLE)
    watcher.until(lambda: watcher.node.count_publishers("robot_node/decision") > 0, "the robot")
    until_asked_for(watcher, RELIABLE)
    watcher.step()
    second = publish(watcher, BEST_EFFORT)
    until_asked_for(watcher, BEST_EFFORT)
    watcher.step()
    watcher.node.destroy_publisher(second)
    watcher.camera = first
    until_asked_for(watcher, RELIABLE)
    watcher.step()
    watcher.node.destroy_publisher(first)
    publish(watcher, BEST_EFFORT)
    until_asked_for(watcher, BEST_EFFORT)
    watcher.step()
    watcher.assert_every_frame_was_answered_once_in_order()


def test_overrides_come_first(processes: Processes, watcher: Watcher) -> None:
    words = ("-p", "qos_overrides./image_raw.subscription.reliability:=best_effort")
    start_robot(processes, *words, "-p", "qos_overrides./image_raw.subscription.depth:=3")
    publish(watcher, RELIABLE)
    until_asked_for(watcher, BEST_EFFORT)
    for _ in range(3):
        watcher.diagnostics.clear()
        watcher.until(lambda: "/robot_node" in watcher.diagnostics, "the next diagnostics")
    (found,) = watcher.node.get_subscriptions_info_by_topic("image_raw")
    assert found.qos_profile.reliability == BEST_EFFORT


def values(watcher: Watcher) -> dict[str, str]:
    """Return a dict that is updated with the values of the robot's newest diagnostics."""
    found: dict[str, str] = {}

    def keep(message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == "/robot_node":
                found.update({value.key: value.value for value in status.values})

    watcher.node.create_subscription(DiagnosticArray, "/diagnostics", keep, qos.DIAGNOSTICS)
    return found


def start_driver(processes: Processes, *words: str) -> Process:
    """Start a driver that does not use this package or its profile."""
    return processes.start(sys.executable, Path(camera_driver.__file__), *words)


@pytest.mark.parametrize(
    ("size", "hz", "images"),
    [
        (("1280", "720"), 15, 60),
        pytest.param(("1280", "720"), 15, 300, marks=ALONE),
        pytest.param(("1920", "1080"), 15, 300, marks=ALONE),
        pytest.param(("3840", "2160"), 5, 100, marks=ALONE),
    ],
)
def test_no_image_of_a_driver_as_it_comes_is_lost(
    processes: Processes, watcher: Watcher, size: tuple[str, str], hz: int, images: int
) -> None:
    """Every image is answered, or counted as dropped because the robot was busy."""
    robot, found = start_robot(processes), values(watcher)
    watcher.until(lambda: watcher.node.count_publishers("robot_node/decision") > 0, "the robot")
    driver = start_driver(processes, *size, str(hz), str(images), "reliable")
    watcher.until(lambda: len(watcher.decisions) >= images // 4, "a quarter of the images")
    before_kb = robot.memory_kb("VmRSS")
    watcher.until(lambda: f"published {images} images" in driver.output, "the driver")
    watcher.until(lambda: found.get("frames in [Hz]") == "0.0", "the last image")
    assert (int(found["frames received"]), int(found["frames rejected"])) == (images, 0)
    assert int(found["frames accepted"]) + int(found["frames dropped"]) == images
    watcher.until(lambda: len(watcher.decisions) == int(found["frames accepted"]), "their decisions")
    assert found["images asked for"] == "reliable"
    image_kb = 3 * int(size[0]) * int(size[1]) // 1024
    # Memory that grew with the number of images would hold three quarters of them.
    assert robot.memory_kb("VmRSS") < before_kb + qos.RELIABLE_IMAGES.depth * image_kb + 20_000


def test_images_that_best_effort_loses_are_counted_and_what_mends_it_is_said(
    processes: Processes, watcher: Watcher
) -> None:
    robot = start_robot(processes)
    watcher.until(lambda: watcher.node.count_publishers("robot_node/decision") > 0, "the robot")
    start_driver(processes, "3840", "2160", "5", "40", "best_effort", "--info")
    robot.wait_for_output("were lost before they reached the robot, since its publisher offers best effort")
    assert any(f"{name} naming this package's config/{file}" in robot.output for name, file in SHIPPED.items())
