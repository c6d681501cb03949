# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every encoding over DDS: a camera publishes each, and the robot's subscription converts it."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from encoded_images import encoded
from picture_files import TURNS, turned_jpeg
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from support import Processes
from vision_msgs.msg import Detection2DArray
from watcher import Watcher, watching

from neurosurgeon_ros.camera.camera import Camera
from neurosurgeon_ros.camera.encodings import ENCODINGS
from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.camera.picture_headers import KINDS
from neurosurgeon_ros.camera.transports import COMPRESSED, RAW
from neurosurgeon_ros.robot.arrival import Arrival


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def boxes(message: Detection2DArray) -> list[tuple[float, ...]]:
    return [
        (one.bbox.center.position.x, one.bbox.center.position.y, one.bbox.size_x, one.bbox.size_y)
        for one in message.detections
    ]


def test_each_raw_image_arrives_with_its_values(watcher: Watcher) -> None:
    arrivals: list[Arrival] = []
    reasons: list[str] = []
    camera = Camera(watcher.node, RAW, take=arrivals.append, reject=reasons.append)
    watcher.until(watcher.camera.get_subscription_count, "the camera's subscription")
    for encoding in ENCODINGS:
        for big in (False, True):
            given, count = encoded(encoding), len(arrivals)
            watcher.camera.publish(given.message(padding=3, big=big))
            watcher.until(lambda count=count: len(arrivals) > count or reasons, f"an image in {encoding}")
            assert reasons == []
            difference = np.abs(arrivals[-1].decode().astype(int) - given.shown)
            assert difference.max() <= (0 if given.exact else 1), encoding
    assert len(arrivals) == 2 * len(ENCODINGS)
    watcher.camera.publish(Image(encoding="BGR8", width=1, height=1, step=3, data=[1, 2, 3]))
    watcher.until(lambda: reasons, "the reason")
    assert reasons == ["image encoding 'BGR8' is unknown: did you mean bgr8?"]
    camera.close()


def test_each_compressed_image_arrives_with_its_pixels(watcher: Watcher) -> None:
    arrivals: list[Arrival] = []
    reasons: list[str] = []
    publisher = watcher.node.create_publisher(CompressedImage, "image_raw/compressed", 10)
    camera = Camera(watcher.node, COMPRESSED, significant_bits=12, take=arrivals.append, reject=reasons.append)
    watcher.until(publisher.get_subscription_count, "the camera's subscription")
    image = np.full((8, 8, 3), (10, 100, 200), dtype=np.uint8)
    deep = {kind: np.full((8, 8, 3), (160, 1600, 3200), dtype=np.uint16) for kind in ("png", "tiff")}
    for kind in KINDS:
        for pixels in (image, deep.get(kind)):
            if pixels is None:
                continue
            count = len(arrivals)
            data = cv2.imencode(f".{kind}", pixels)[1].tobytes()
            publisher.publish(CompressedImage(format=kind, data=data))
            watcher.until(lambda count=count: len(arrivals) > count or reasons, f"an image as {kind}")
            assert reasons == []
            difference = np.abs(arrivals[-1].decode().astype(int) - image)
            assert difference.max() <= (4 if kind == "jpeg" else 1), kind
    camera.close()


def test_a_robot_finds_in_12_bits_what_it_finds_in_8(processes: Processes, watcher: Watcher) -> None:
    words = ("-p", "threads:=1", "-p", "policy:=on_device", "-p", "codecs:=[uint8]", "-p", "significant_bits:=12")
    robot = processes.start("robot_node", "--ros-args", *words)
    watcher.robot_is_there()
    image = watcher.picture(120)
    deep = from_bgr(image, Header())
    deep.encoding, deep.step = "bgr16", 2 * deep.step
    deep.data = (np.round(image * (4095 / 255)).astype("<u2")).tobytes()
    for number, message in enumerate((from_bgr(image, Header()), deep), start=1):
        watcher.camera.publish(message)
        watcher.until(lambda number=number: len(watcher.detections) == number, f"answer {number}")
    assert boxes(watcher.detections[0]) and boxes(watcher.detections[1]) == boxes(watcher.detections[0])
    watcher.camera.publish(Image(width=4, height=4, step=12, data=bytes(48)))
    robot.wait_for_output("names no encoding (3 bytes per pixel suggest bgr8 or rgb8)")


def test_boxes_are_in_the_pixels_of_the_turned_image(processes: Processes, watcher: Watcher) -> None:
    """A jpeg that is stored lying on its side, with its orientation, at robot and edge: as the same image upright."""
    words = ("-p", "threads:=1", "-p", "image_transport:=compressed", "-p", "policy:=edge_only")
    more = ("-p", "codecs:=[as_received]", "-p", "deadline_ms:=5000.0")
    publisher = watcher.node.create_publisher(CompressedImage, "image_raw/compressed", 10)
    processes.start("edge_node", "--ros-args", "-p", "threads:=1")
    processes.start("robot_node", "--ros-args", *words, *more)
    watcher.until(publisher.get_subscription_count, "a robot that takes compressed images")
    watcher.edge_serves()
    # Orientation 6 turns a picture clockwise, as 8 turns it back.
    lying = np.ascontiguousarray(TURNS[8](watcher.picture(120)))
    jpeg = cv2.imencode(".jpg", lying, (cv2.IMWRITE_JPEG_QUALITY, 95))[1].tobytes()
    picture = CompressedImage(format="jpeg", data=turned_jpeg(jpeg, 6))

    def answer() -> str:
        number = len(watcher.decisions) + 1
        publisher.publish(picture)
        watcher.until(lambda: len(watcher.decisions) == len(watcher.detections) == number, f"answer {number}")
        return str(watcher.decisions[-1].arm)

    arms = [answer()]
    while not arms[-1].endswith("/as_received"):
        arms.append(answer())
    found = boxes(watcher.detections[-1])
    height, width = watcher.picture(120).shape[:2]
    assert found
    assert all(0 <= x <= width and 0 <= y <= height for x, y, _, _ in found)
    assert max(x for x, _, _, _ in found) > height, "the image is wider than high"
