# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any bytes received as a message are rejected in one sentence, or converted to what the node works with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from fuzz import messages
from fuzz.cases import Case, Fuzz
from rclpy.serialization import serialize_message
from robots import small_engine
from std_msgs.msg import Header

from neurosurgeon_ros.camera.compressed import decode_compressed, to_compressed
from neurosurgeon_ros.camera.encodings import ENCODINGS
from neurosurgeon_ros.camera.images import check_image, from_bgr, to_bgr
from neurosurgeon_ros.codecs import CodecError, get_stream_codec
from neurosurgeon_ros.diagnostics.markers import frustums, obstacle
from neurosurgeon_ros.edge.streams import Diverged, NotHeld, StreamStore
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.msg import DelayFeedback, PartialInference
from neurosurgeon_ros.protocol.validation import InvalidRequest, check_probe, check_request
from neurosurgeon_ros.robot.arrival import ImageRejected
from neurosurgeon_ros.ros.intake import read
from neurosurgeon_ros.ros.messages import (
    InvalidMessage,
    check_version,
    to_edge_detections,
    to_edge_report,
    to_feedback,
    to_request,
)

IMAGE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
MOST_BYTES = 65536

#: References, sequences and checksums; all fit into 32 bits.
NUMBERS = (0, 1, 2, 3, 4, 7, 2**31, 2**32 - 1)


def damaged(case: Case, kind: type[Any], good: bytes) -> Any:
    """Return what a node's intake reads from damaged bytes."""
    return read(kind, case.damaged(good), max_bytes=MOST_BYTES)


@pytest.mark.parametrize(
    ("message", "take"),
    [
        (messages.hello(), check_version),
        (messages.feedback(), to_feedback),
        (messages.feedback(status=DelayFeedback.NOT_HELD, held=1), to_feedback),
        (messages.feedback(status=DelayFeedback.DIVERGED), to_feedback),
        (messages.detections(), lambda message: to_edge_detections(message, {"person": 0})),
        (messages.status(), to_edge_report),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_damaged_message_is_read_or_refused(fuzz: Fuzz, message: Any, take: Callable[[Any], object]) -> None:
    good = serialize_message(message)

    def attempt(case: Case) -> None:
        take(damaged(case, type(message), good))

    fuzz(attempt, InvalidMessage)


def test_a_damaged_request_is_refused_or_decoded_to_what_the_model_takes(fuzz: Fuzz) -> None:
    engine = small_engine()
    (spec,) = engine.partitioned.points[0].tensors
    good = (
        serialize_message(messages.request(spec, fingerprint=engine.fingerprint)),
        serialize_message(messages.probe()),
    )

    def attempt(case: Case) -> None:
        request = to_request(damaged(case, PartialInference, case.choice(good)))
        if request.letterbox is None:
            check_probe(request)
            return
        check_request(request, engine.partitioned, "yolov3_tiny")
        decoded = engine.decode(request.partition_point, request.tensors)
        wanted = engine.partitioned.points[request.partition_point].tensors
        assert [tuple(one.shape) for one in decoded] == [one.shape for one in wanted]

    torch.set_num_threads(1)
    fuzz(attempt, InvalidMessage, InvalidRequest, CodecError)


@pytest.mark.parametrize(("codec", "point"), [("h264-veryfast-crf18", 0), ("int6-delta-d0.75", 1)])
def test_a_damaged_frame_of_a_stream_is_refused_or_held(fuzz: Fuzz, codec: str, point: int) -> None:
    """Also with another reference, sequence or checksum, as from somebody who knows the protocol."""
    engine = small_engine()
    (spec,) = engine.partitioned.points[point].tensors
    good = messages.stream(get_stream_codec(codec), spec, fingerprint=engine.fingerprint, p=point)
    data = tuple(serialize_message(message) for message in good)

    def attempt(case: Case) -> None:
        store, victim = StreamStore(), case.randrange(len(good))
        for position in range(len(good)):
            message = read(PartialInference, data[position], max_bytes=MOST_BYTES)
            if position == victim and case.random() < 0.5:
                message = damaged(case, PartialInference, data[position])
            elif position == victim:
                setattr(message, case.choice(("reference", "sequence", "checksum")), case.choice(NUMBERS))
            request = to_request(message)
            check_request(request, engine.partitioned, "yolov3_tiny")
            if not request.is_of_stream:
                return
            tensors, held = store.decode(request, engine)
            assert [tuple(one.shape) for one in tensors] == [spec.shape]
            assert held == store.held(request) == request.key.sequence

    torch.set_num_threads(1)
    fuzz(attempt, InvalidMessage, InvalidRequest, CodecError, NotHeld, Diverged)


def test_a_damaged_image_is_rejected_or_converted(fuzz: Fuzz) -> None:
    good = {}
    for encoding in ENCODINGS:
        message = from_bgr(IMAGE, Header(frame_id="camera"))
        message.encoding, message.step = encoding, 24 * 32
        message.data = bytes(16 * 24 * 32 * (3 if encoding == "nv24" else 2))
        good[encoding] = serialize_message(message)

    def attempt(case: Case) -> None:
        message = damaged(case, type(from_bgr(IMAGE, None)), good[case.choice(tuple(ENCODINGS))])
        check_image(message)
        assert to_bgr(message).shape == (message.height, message.width, 3)

    fuzz(attempt, InvalidMessage, ImageRejected)


def test_a_damaged_compressed_image_is_rejected_or_decoded(fuzz: Fuzz) -> None:
    jpeg = to_compressed(IMAGE, Header(frame_id="camera"))
    others = [
        type(jpeg)(format=kind, data=cv2.imencode(f".{kind}", pixels)[1].tobytes())
        for kind, pixels in (
            ("png", IMAGE),
            ("png", IMAGE.astype(np.uint16)),
            ("tiff", IMAGE),
            ("tiff", IMAGE.astype(np.uint16)),
            ("webp", IMAGE),
        )
    ]
    good = tuple(serialize_message(one) for one in (jpeg, *others))

    def attempt(case: Case) -> None:
        image = decode_compressed(damaged(case, type(jpeg), case.choice(good)))
        assert image.shape[2] == 3

    cv2.setNumThreads(1)
    fuzz(attempt, InvalidMessage, ImageRejected)


def test_a_damaged_calibration_draws_nothing_or_finite_frustums(fuzz: Fuzz) -> None:
    info = messages.camera_info()
    good = serialize_message(info)
    found = Detections(np.array([[12.0, 8.0, 4.0, 4.0]]), np.array([0.5]), np.array([0]))

    def attempt(case: Case) -> None:
        message = damaged(case, type(info), good)
        if not obstacle(message, (24, 16)):
            markers = frustums(found, ("person",), message, range_m=5.0, header=Header())
            points = [(point.x, point.y, point.z) for marker in markers.markers for point in marker.points]
            assert np.isfinite(points).all()

    fuzz(attempt, InvalidMessage)
