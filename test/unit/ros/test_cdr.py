# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The walk over a message's bytes follows the middleware's layout, and stops where the middleware would fail."""

from __future__ import annotations

import struct
import tracemalloc
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.ros.cdr import MOST_STRUCTURES, Malformed, walk, without_last


def detections(number: int) -> EdgeDetections:
    header = Header(frame_id="cam")
    found = Detection2D(header=header, results=[ObjectHypothesisWithPose()], id="abcde")
    found.results[0].hypothesis.class_id = "dog"
    message = EdgeDetections(protocol_version=1, robot_id="r")
    message.detections.detections = [found] * number
    return message


FULL = (
    PartialInference(
        robot_id="rob",
        tensors=[Tensor(name="t", dtype="uint8", shape=[1, 2], scale=[0.5], zero_point=[-1], data=b"xyz"), Tensor()],
    ),
    detections(2),
    EdgeStatus(models=["a", "bcd"], fingerprints=["1", "2"], robots=["r"], robot_sessions=[2**64 - 1]),
    RobotHello(robot_id="robot", fingerprint="f" * 64),
    DelayFeedback(error="no"),
    Image(header=Header(frame_id="c"), data=b"abc"),
    CompressedImage(format="jpeg", data=b"abc"),
    CameraInfo(distortion_model="plumb_bob", d=[0.1] * 5),
    DiagnosticArray(status=[DiagnosticStatus(name="n", values=[KeyValue(key="k", value="v")])]),
)


def is_walked(kind: type[Any], data: bytes) -> bool:
    try:
        walk(kind, data)
    except Malformed:
        return False
    return True


@pytest.mark.parametrize("message", FULL, ids=lambda message: type(message).__name__)
def test_a_message_is_walked_whole_and_nothing_that_is_cut_off(message: Any) -> None:
    """The middleware accepts some messages that end within a sequence of structures, and leaves that sequence empty."""
    kind, data = type(message), serialize_message(message)
    assert is_walked(kind, data)
    assert deserialize_message(data, kind) == message
    assert not any(is_walked(kind, data[:length]) for length in range(len(data)))


def test_big_endian_numbers_are_read_so() -> None:
    data = b"\x00\x00\x00\x00" + struct.pack(">HxxI4s", 1, 4, b"abc\x00") + bytes(4) + bytes(8)
    data += 4 * struct.pack(">I", 1).ljust(8, b"\x00")
    walk(RobotHello, data)
    assert deserialize_message(data, RobotHello).robot_id == "abc"
    with pytest.raises(Malformed):
        walk(RobotHello, data.replace(struct.pack(">I", 4), struct.pack("<I", 4)))


@pytest.mark.parametrize("length", [0, 1, 4, 1000])
@pytest.mark.parametrize("frame_id", ["", "c", "cam", "camera"])
def test_bytes_at_the_end_of_a_message_are_seen_where_they_lie(length: int, frame_id: str) -> None:
    message = Image(header=Header(frame_id=frame_id), height=3, encoding="bgr8", data=bytes(range(256)) * 4)
    message.data = message.data[:length]
    data = serialize_message(message)
    rest, seen = without_last(Image, data)
    assert seen.obj is data
    assert bytes(seen) == message.data.tobytes()
    message.data = b""
    assert deserialize_message(rest, Image) == message
    for cut in range(1, 5 + length):
        with pytest.raises(Malformed):
            without_last(Image, data[:-cut])


@pytest.mark.parametrize("announced", [0x0002, 0x0003, 0x0006, 0x0007, 0x000A, 0x0707])
def test_other_encodings_are_refused(announced: int) -> None:
    data = struct.pack(">H", announced) + serialize_message(RobotHello())[2:]
    with pytest.raises(Malformed, match="announces no plain CDR"):
        walk(RobotHello, data)


def with_count(message: Any, count: int, filling: int) -> bytes:
    """Change the empty sequence at the end of a message so that it claims more entries."""
    return serialize_message(message)[:-4] + struct.pack("<I", count) + bytes(filling)


@pytest.mark.parametrize(
    ("message", "count", "filling", "said"),
    [
        (PartialInference(), 2**20, 2**20, "has 1048576 entries in tensors, at most 8 are allowed"),
        (EdgeDetections(), 2**20, 2**20, "claims 1048576 entries in detections.detections, but 1048576 bytes are left"),
        (EdgeDetections(), 2**32 - 1, 2**16, "claims 4294967295 entries in detections.detections"),
        (EdgeDetections(), 15000, 2**20, f"at most {MOST_STRUCTURES} are accepted"),
        (DelayFeedback(), 5000, 5000, "has 5000 bytes in error, at most 1025 are allowed"),
        (Image(), 2**31, 2**16, "ends within data"),
    ],
)
def test_no_memory_is_taken_for_what_a_message_claims(message: Any, count: int, filling: int, said: str) -> None:
    data = with_count(message, count, filling)
    if type(message) is DelayFeedback:  # the count of its string precedes the zero at its end
        data = serialize_message(message)[:-5] + struct.pack("<I", count) + bytes(filling)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed, match=said):
            walk(type(message), data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_sequences_within_sequences_count_together() -> None:
    message = detections(2)
    message.detections.detections[0].results = [ObjectHypothesisWithPose()] * MOST_STRUCTURES
    with pytest.raises(Malformed, match="at most 4096 are accepted") as caught:
        walk(EdgeDetections, serialize_message(message))
    assert caught.value.too_long
    walk(EdgeDetections, serialize_message(detections(MOST_STRUCTURES // 2)))
