# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""No message makes a node take more memory than docs/security.md states: its peak, before and after large messages."""

from __future__ import annotations

import array
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import zstandard
from asker import SIDE, Asker
from diagnostic_msgs.msg import DiagnosticArray
from fuzz import messages
from picture_files import ORIENTATION, tiff
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.camera.images import MAX_BYTES
from neurosurgeon_ros.camera.picture_headers import MAX_TIFF_BYTES
from neurosurgeon_ros.codecs.camera import AS_RECEIVED
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.cdr import MOST_STRUCTURES
from neurosurgeon_ros.ros.intake import DETECTIONS_BYTES, SMALL_BYTES

MIB = 1 << 20

#: Maximum size of a request in bytes, by the default of max_request_bytes, minus its header fields.
REQUEST_BYTES = 32 * MIB - 4096


def stated(root: Path, node: str) -> int:
    """Return the maximum memory for a node's messages that docs/security.md states, in bytes."""
    text = (root / "docs" / "security.md").read_text(encoding="utf-8")
    found = re.search(rf"\| {node} .*\| (\d+) MiB \|", text)
    assert found is not None
    return int(found[1]) * MIB


def peak(process: Process) -> int:
    """Return a process's peak memory, in bytes."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return 1024 * int(found[1])


def claiming(message: Any, count: int, size: int) -> bytes:
    """Change the empty sequence at the end of a message so that it claims entries that its bytes might just contain."""
    data = serialize_message(message)[:-4] + struct.pack("<I", count)
    return data + bytes(size - len(data))


def jpeg(side: int) -> bytes:
    """Return a picture that is a few hundred times larger when decoded."""
    done, data = cv2.imencode(".jpg", np.full((side, side, 3), 90, np.uint8))
    assert done
    return data.tobytes()


@pytest.mark.full
def test_an_edge_stays_within_its_memory(processes: Processes, root: Path) -> None:
    process = processes.start("edge_node", "--ros-args", "-p", "threads:=1")
    with watching() as watcher:
        asker = Asker(watcher)
        asker.meet()
        for _ in range(3):
            assert asker.ask().status == DelayFeedback.OK
        before = peak(process)

        def of(codec: str, data: bytes) -> Callable[[PartialInference], None]:
            def change(request: PartialInference) -> None:
                request.tensors[0].codec = codec
                request.tensors[0].data = array.array("B", data)

            return change

        def full(request: PartialInference) -> None:
            data = array.array("B", bytes(REQUEST_BYTES // 8))
            request.tensors = [Tensor(name="x", data=data) for _ in range(8)]

        def picture(request: PartialInference) -> None:
            request.image_width = request.image_height = 8192
            request.scale_x = request.scale_y = SIDE / 8192
            of(AS_RECEIVED.name, large)(request)

        def all_boxes(request: PartialInference) -> None:
            request.confidence_threshold = 0.0

        large = jpeg(8192)
        for change, status in (
            (full, DelayFeedback.INVALID),
            (of("uint8-zstd", zstandard.compress(bytes(512 * MIB))), DelayFeedback.INVALID),
            (of("webp90", jpeg(4096)), DelayFeedback.INVALID),
            (picture, DelayFeedback.OK),
            (all_boxes, DelayFeedback.OK),
        ):
            for _ in range(3):
                assert asker.ask(change).status == status
        requests = watcher.node.create_publisher(
            PartialInference, "/neurosurgeon/partial_inference", qos.PARTIAL_INFERENCE
        )
        hellos = watcher.node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
        watcher.until(lambda: requests.get_subscription_count() and hellos.get_subscription_count(), "the edge")
        for count in (8, REQUEST_BYTES, 2**32 - 1):
            requests.publish(claiming(PartialInference(protocol_version=1), count, REQUEST_BYTES))
            hellos.publish(serialize_message(messages.hello())[:-5] + struct.pack("<I", count) + bytes(SMALL_BYTES))
            assert asker.ask().status == DelayFeedback.OK
        taken = peak(process) - before
        assert 0 < taken < stated(root, "edge_node"), f"{taken / MIB:.0f} MiB"


@pytest.mark.full
@pytest.mark.parametrize("transport", ["raw", "compressed"])
def test_a_robot_stays_within_its_memory(processes: Processes, root: Path, transport: str) -> None:
    process = processes.start(
        *("robot_node", "--ros-args", "-p", "threads:=1", "-p", "codecs:=[uint8]"),
        *("-p", f"image_transport:={transport}"),
        # Large images that are sent as sensor data lose some fragments, and are then lost as a whole.
        *("-p", "qos_overrides./image_raw.subscription.reliability:=reliable"),
    )
    with watching() as watcher:
        sessions: dict[str, int] = {}
        watcher.node.create_subscription(
            RobotHello, "/neurosurgeon/hello", lambda m: sessions.update({m.robot_id: m.session}), qos.PRESENCE
        )
        compressed = watcher.node.create_publisher(CompressedImage, "image_raw/compressed", qos.SENSOR_DATA)

        def show(side: int) -> None:
            """Publish a square picture until it gets its detections."""
            shown = Header(frame_id=f"{side} pixels")
            data = array.array("B", jpeg(side))
            timer = watcher.node.create_timer(0.5, lambda: compressed.publish(CompressedImage(header=shown, data=data)))
            watcher.until(lambda: any(one.header == shown for one in watcher.detections), f"detections at {side}")
            watcher.node.destroy_timer(timer)

        def show_raw(encoding: str) -> None:
            """Publish an image of the largest size until it gets its detections."""
            shown = Header(frame_id=encoding)
            step = 8192 * (1 if encoding == "nv24" else 24)
            height = MAX_BYTES // (step * (3 if encoding == "nv24" else 1))
            data = array.array("B", bytes(MAX_BYTES))
            made = Image(header=shown, width=8192, height=height, step=step, encoding=encoding, data=data)
            watcher.camera.publish(made)
            watcher.until(lambda: any(one.header == shown for one in watcher.detections), f"detections in {encoding}")

        def show_tiff(side: int) -> None:
            """Publish an uncompressed picture that has to be turned until it gets its detections."""
            shown = Header(frame_id="tiff")
            picture = np.broadcast_to(np.uint8(90), (side - 1, side, 3))
            data = array.array("B", tiff(picture, changes={ORIENTATION: (6,)}))
            data.frombytes(bytes(MAX_BYTES - len(data)))
            reliable = watcher.node.create_publisher(CompressedImage, "image_raw/compressed", 1)
            watcher.node.destroy_publisher(compressed)
            watcher.until(reliable.get_subscription_count, "a reliable subscription")
            made = CompressedImage(header=shown, data=data)
            timer = watcher.node.create_timer(5.0, lambda: reliable.publish(made))
            watcher.until(lambda: any(one.header == shown for one in watcher.detections), "detections of a tiff")
            watcher.node.destroy_timer(timer)

        if transport == "raw":
            watcher.robot_is_there()
            watcher.step()
        else:
            show(600)
        watcher.until(lambda: "robot_node" in sessions, "the robot's hello")
        before = peak(process)

        key: dict[str, Any] = {"robot_id": "robot_node", "session": sessions["robot_node"]}
        full = messages.detections(**key)
        full.detections.detections = full.detections.detections[:1] * (MOST_STRUCTURES // 2)
        base = "/neurosurgeon/robot_node"
        worst: tuple[tuple[Any, str, QoSProfile, Any, int], ...] = (
            (EdgeDetections, f"{base}/detections", qos.ANSWERS, full, DETECTIONS_BYTES),
            (DelayFeedback, f"{base}/delay_feedback", qos.ANSWERS, messages.feedback(**key), SMALL_BYTES),
            (EdgeStatus, "/neurosurgeon/status", qos.PRESENCE, messages.status(**key), SMALL_BYTES),
            (CameraInfo, "camera_info", qos.SENSOR_DATA, messages.camera_info(), SMALL_BYTES),
        )
        for kind, topic, profile, message, size in worst:
            publisher = watcher.node.create_publisher(kind, topic, profile)
            watcher.until(lambda one=publisher: one.get_subscription_count(), topic)  # type: ignore[misc]
            publisher.publish(message)
            for count in (size // 64, size, 2**32 - 1):
                publisher.publish(claiming(kind(), count, size))
            publisher.publish(bytes(16 * MIB))
        said: dict[str, str] = {}
        watcher.node.create_subscription(
            DiagnosticArray,
            "/diagnostics",
            lambda message: said.update((one.key, one.value) for status in message.status for one in status.values),
            qos.DIAGNOSTICS,
        )
        if transport == "raw":
            side = int((MAX_BYTES // 3) ** 0.5)
            watcher.picture = lambda index: np.full((side, side, 3), 90, np.uint8)
            watcher.step()
            for encoding in ("nv24", "64FC3"):  # with the largest copies
                show_raw(encoding)
        else:
            show(int((MAX_BYTES // 3) ** 0.5))
            show_tiff(int((MAX_TIFF_BYTES // 3) ** 0.5))
        taken = peak(process) - before
        assert 0 < taken < stated(root, "robot_node"), f"{taken / MIB:.0f} MiB"
        watcher.until(
            lambda: int(said.get("answers to no request", 0)) > 0, "a count of the detections nobody asked for"
        )
