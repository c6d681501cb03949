# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The package's values converted to messages and back, through the middleware's serialization."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header

from neurosurgeon_ros.codecs import EncodedTensor
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.models import Detections, Letterbox
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION, Feedback, Identity, Key, Request, Status
from neurosurgeon_ros.robot.arrival import Counts
from neurosurgeon_ros.robot.decision import Decision, Delays, Outcome
from neurosurgeon_ros.ros.messages import (
    InvalidMessage,
    check_version,
    from_edge_detections,
    from_feedback,
    from_request,
    hello,
    to_edge_detections,
    to_edge_report,
    to_feedback,
    to_request,
)
from neurosurgeon_ros.ros.result_messages import MAX_TEXT, from_decision, from_detections, label_info

KEY = Key("robot", 2**64 - 1, 2**63 + 5, Kind.FRAME)
HEADER = Header(frame_id="camera")
LABELS = ("person", "car")
FOUND = Detections(np.array([[1.5, 2.5, 3.0, 4.0], [9.0, 8.0, 7.0, 0.0]]), np.array([1.0, 0.25]), np.array([1, 0]))


def travel(message: Any) -> Any:
    """Return a message after serialization and deserialization."""
    return deserialize_message(serialize_message(message), type(message))


def request(kind: Kind = Kind.FRAME) -> Request:
    data = memoryview(bytes(range(12)))
    tensors = (
        EncodedTensor("pool4", "float32", (1, 3, 1, 1), "fp32", data),
        EncodedTensor("route", "float32", (1, 2), "int8c", data[:2], scale=(0.5, 0.25), zero_point=(-3, 4)),
    )
    letterbox = None if kind is Kind.PROBE else Letterbox(640, 272, 0.65, 0.651, 1.0, 119.5)
    key = replace(KEY, kind=kind)
    return Request(key, HEADER, "f" * 64, 7, tensors, letterbox, 0.3, 0.45, 0.125, 2**63 + 4, 2**32 - 1)


@pytest.mark.parametrize("kind", Kind)
def test_a_request_arrives_as_it_was_sent(kind: Kind) -> None:
    sent = request(kind)
    got = to_request(travel(from_request(sent)))
    assert (got.key, got.header, got.fingerprint, got.partition_point) == (sent.key, HEADER, "f" * 64, 7)
    assert (got.letterbox, got.deadline_s, got.payload_bytes) == (sent.letterbox, 0.125, 14)
    assert (got.reference, got.checksum) == (2**63 + 4, 2**32 - 1)
    # Thresholds are sent as float32: the nearest value, which is within [0, 1] if the threshold is.
    assert (got.confidence, got.iou) == (float(np.float32(0.3)), float(np.float32(0.45)))
    for one, other in zip(got.tensors, sent.tensors, strict=True):
        assert (one.name, one.dtype, one.shape, one.codec) == (other.name, other.dtype, other.shape, other.codec)
        assert bytes(one.data) == bytes(other.data)
        assert (one.scale, one.zero_point) == (other.scale, other.zero_point)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 0.1, 0.9999999999])
def test_a_threshold_stays_in_its_range(threshold: float) -> None:
    got = to_request(travel(from_request(replace(request(), confidence=threshold, iou=threshold))))
    assert 0.0 <= got.confidence <= 1.0 and 0.0 <= got.iou <= 1.0
    assert got.confidence == pytest.approx(threshold, abs=1e-7)


def test_a_received_tensor_shares_the_messages_memory() -> None:
    message = travel(from_request(request()))
    got = to_request(message)
    message.tensors[0].data[0] = 99
    assert got.tensors[0].data[0] == 99


@pytest.mark.parametrize("kind", [3, 255])
def test_a_request_of_an_unknown_kind_is_refused(kind: int) -> None:
    message = from_request(request())
    message.kind = kind
    with pytest.raises(InvalidMessage, match=f"kind is {kind}, expected 0"):
        to_request(message)


@pytest.mark.parametrize("make", [PartialInference, DelayFeedback, EdgeDetections, EdgeStatus])
@pytest.mark.parametrize("version", [0, 1, PROTOCOL_VERSION + 1, 65535])
def test_another_version_is_refused_and_said(make: Any, version: int) -> None:
    with pytest.raises(InvalidMessage, match=rf"{make.__name__} has protocol version {version}, .* {PROTOCOL_VERSION}"):
        check_version(make(protocol_version=version))
    reader: dict[Any, Any] = {
        PartialInference: to_request,
        DelayFeedback: to_feedback,
        EdgeDetections: lambda message: to_edge_detections(message, {}),
        EdgeStatus: to_edge_report,
    }
    with pytest.raises(InvalidMessage):
        reader[make](make(protocol_version=version))


@pytest.mark.parametrize("status", Status)
def test_feedback_arrives_as_it_was_sent(status: Status) -> None:
    sent = Feedback(KEY, status, "why", 0.1, 0.2, 0.3, 0.4, 5, 12.5, 0.08)
    assert to_feedback(travel(from_feedback(sent))) == sent


def test_a_long_reason_is_cut() -> None:
    got = to_feedback(travel(from_feedback(Feedback(KEY, Status.FAILED, "é" * 1000))))
    assert got.error.startswith("é") and len(got.error) <= MAX_TEXT


@pytest.mark.parametrize("name", ["rate", "retry_after"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_a_promise_that_is_no_number_of_0_or_more_is_refused(name: str, value: float) -> None:
    message = from_feedback(Feedback(KEY))
    setattr(message, name, value)
    with pytest.raises(InvalidMessage, match="rate and retry_after"):
        to_feedback(message)


@pytest.mark.parametrize("name", ["queue_delay", "decode_delay", "compute_delay", "postprocess_delay"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1e-9])
def test_durations_that_are_none_are_refused(name: str, value: float) -> None:
    message = from_feedback(Feedback(KEY))
    setattr(message, name, value)
    with pytest.raises(InvalidMessage, match="durations"):
        to_feedback(message)


@pytest.mark.parametrize(("name", "value"), [("status", 9), ("kind", 3)])
def test_feedback_of_an_unknown_status_or_kind_is_refused(name: str, value: int) -> None:
    message = from_feedback(Feedback(KEY))
    setattr(message, name, value)
    with pytest.raises(InvalidMessage, match=f"{value}"):
        to_feedback(message)


def test_detections_arrive_bit_for_bit() -> None:
    key, got = to_edge_detections(
        travel(from_edge_detections(KEY, FOUND, LABELS, HEADER)), {name: i for i, name in enumerate(LABELS)}
    )
    assert key == KEY
    assert np.array_equal(got.boxes, FOUND.boxes)
    assert np.array_equal(got.scores, FOUND.scores)
    assert np.array_equal(got.classes, FOUND.classes)


def _box(name: str, value: float) -> Any:
    def change(detection: Any) -> None:
        if name in ("x", "y"):
            setattr(detection.bbox.center.position, name, value)
        else:
            setattr(detection.bbox, name, value)

    return change


@pytest.mark.parametrize(
    "change",
    [
        _box("x", math.nan),
        _box("y", math.inf),
        _box("size_x", math.nan),
        _box("size_y", -1.0),
        lambda detection: setattr(detection.results[0].hypothesis, "score", math.nan),
        lambda detection: setattr(detection.results[0].hypothesis, "score", 1.1),
        lambda detection: setattr(detection.results[0].hypothesis, "score", -0.1),
        lambda detection: setattr(detection.results[0].hypothesis, "class_id", "unicorn"),
        lambda detection: detection.results.clear(),
        lambda detection: detection.results.append(detection.results[0]),
    ],
)
def test_detections_that_cannot_be_are_refused(change: Any) -> None:
    message = from_edge_detections(KEY, FOUND, LABELS, HEADER)
    change(message.detections.detections[1])
    with pytest.raises(InvalidMessage, match="detection"):
        to_edge_detections(message, {name: i for i, name in enumerate(LABELS)})


def test_detections_carry_the_cameras_header() -> None:
    header = Header(frame_id="camera")
    header.stamp.sec, header.stamp.nanosec = 12, 34
    message = travel(from_detections(FOUND, LABELS, header))
    assert message.header == header
    assert all(detection.header == header for detection in message.detections)
    assert [d.results[0].hypothesis.class_id for d in message.detections] == ["car", "person"]


def test_an_edges_report_is_read() -> None:
    message = EdgeStatus(
        protocol_version=PROTOCOL_VERSION,
        edge_id="edge",
        session=3,
        models=["a", "b"],
        fingerprints=["1", "2"],
        robots=["r"],
        robot_sessions=[2**64 - 1],
        queue_length=4,
        load=0.5,
    )
    report = to_edge_report(travel(message))
    assert (report.models, report.robots) == ({"1": "a", "2": "b"}, {"r": 2**64 - 1})
    assert (report.edge_id, report.session, report.queue_length, report.load) == ("edge", 3, 4, 0.5)
    for name in ("models", "robots"):
        broken = travel(message)
        setattr(broken, name, [])
        with pytest.raises(InvalidMessage, match="lists of different lengths"):
            to_edge_report(broken)


def test_a_decision_carries_everything() -> None:
    names = Delays.__dataclass_fields__
    delays = Delays(**{name: index / 8 for index, name in enumerate(names)})
    decision = Decision(
        *(HEADER, 5, "mu_lin_ucb", "pool4/fp32", 9, delays, Outcome.FALLBACK, 3),
        Counts(10, 5, 4, 1),
        key_frame=True,
        similarity=0.5,
        forced=True,
        predicted_robot_s=0.1,
        predicted_offload_s=0.2,
        sent_bytes=100,
        reason="r" * 1000,
        sample_arm="input/uint8",
        probe_bytes=8,
    )
    got = travel(from_decision(decision, "robot", 7))
    wire = {name: f"{name}_delay" for name in names}
    assert [getattr(got, name) for name in wire.values()] == [getattr(delays, name) for name in wire]
    assert (got.robot_id, got.session, got.sequence, got.header) == ("robot", 7, 5, HEADER)
    assert (got.policy, got.arm, got.partition_point, got.outcome) == ("mu_lin_ucb", "pool4/fp32", 9, got.FALLBACK)
    assert (got.key_frame, got.similarity, got.forced) == (True, 0.5, True)
    assert (got.predicted_robot_delay, got.predicted_offload_delay) == (0.1, 0.2)
    assert (got.sent_bytes, got.sample_arm, got.probe_bytes, got.detections) == (100, "input/uint8", 8, 3)
    counts = (got.frames_received, got.frames_accepted, got.frames_dropped, got.frames_rejected)
    assert counts == (10, 5, 4, 1)
    assert len(got.reason) == MAX_TEXT


def test_hello_and_labels() -> None:
    got = travel(hello(Identity("robot", 9), "f" * 64, "m" * 100, node="/robot_node", host="h" * 100))
    assert (got.robot_id, got.session, got.fingerprint, got.model) == ("robot", 9, "f" * 64, "m" * 64)
    labels = travel(label_info(LABELS, 0.25, HEADER))
    assert [(c.class_id, c.class_name) for c in labels.class_map] == [(0, "person"), (1, "car")]
    assert labels.threshold == 0.25


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"robots": ["r", "r"], "robot_sessions": [1, 2]}, "names one of its robots twice"),
        ({"models": ["a", "b"], "fingerprints": ["1", "1"]}, "names one of its fingerprints twice"),
        ({"load": 1.5}, "has load 1.5"),
        ({"load": float("nan")}, "has load nan"),
    ],
)
def test_a_status_that_contradicts_itself_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidMessage, match=reason):
        to_edge_report(EdgeStatus(protocol_version=PROTOCOL_VERSION, **fields))
