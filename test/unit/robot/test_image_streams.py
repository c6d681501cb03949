# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams of the camera's own image, which the edge pre-processes."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

import pytest
from robots import Chooser, Edge, Robot, equal, make_robot, picture, small_engine, whole
from stream_codec import IMAGES, ImageEncoder, register

from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable, build_arm_table
from neurosurgeon_ros.codecs import CameraImage, CodecError
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.learning.interface import Choice, Kind
from neurosurgeon_ros.robot.decision import Outcome


@functools.cache
def image_table() -> ArmTable:
    """Return the arm that sends the image and `on_device`; the codec is registered."""
    return build_arm_table(small_engine(), (IMAGES,), repeats=1, keep_all=True)


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    register(monkeypatch)
    with Edge() as edge:
        yield edge
    assert edge.problems == []


def make(edge: Edge, sample: int | None = None) -> Robot:
    return make_robot(edge, Chooser(lambda _: Choice(0, sample_arm=sample)), table=image_table())


def test_only_the_input_has_an_arm_that_sends_images(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)
    table = image_table()
    assert [arm.name for arm in table.arms] == [f"input/{IMAGES}", "on_device"]
    assert table.camera.tolist() == [True, False] and table.arms[0].is_stream and table.arms[0].camera_codec is None
    assert table.key_bytes[0] > table.features[0, PSI] > 0.0
    assert table.robot_s[0] == table.profile.encode_s[0], "it needs no pre-processing"


def test_images_of_a_stream_give_the_detections_of_the_whole_network(edge: Edge) -> None:
    robot = make(edge)
    for number, height in enumerate((24, 24, 30, 30), start=1):
        image = picture(number, height=height)
        result = robot.feed(image)
        assert result.outcome is Outcome.EDGE
        assert equal(result.detections, whole(image))
    assert [request.reference for request in edge.requests] == [0, 1, 0, 3]
    assert robot.sink.decisions[-1].delays.front_end != robot.sink.decisions[-1].delays.front_end, "NaN: it did not run"


def test_an_image_that_cannot_be_sent_falls_back_to_the_input(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    robot = make(edge)
    robot.feed()
    with monkeypatch.context() as patch:
        patch.setattr(ImageEncoder, "carry", _fail)
        assert robot.feed().outcome is Outcome.EDGE
    assert equal(robot.sink.results[-1].detections, whole(picture(2)))
    assert edge.requests[-1].tensors[0].codec == "uint8"
    assert [robot.feed().outcome, robot.feed().outcome] == [Outcome.EDGE] * 2
    assert [request.reference for request in edge.requests] == [0, 0, 0, 3]


def _fail(*_: object, **__: object) -> None:
    raise CodecError("the image is too small")


def test_a_difference_that_cannot_be_encoded_is_encoded_as_a_key(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    robot = make(edge)
    robot.feed()
    monkeypatch.setattr(robot.processor.streams, "_shape", (30, 40, 3))
    robot.processor.streams._streams[f"input/{IMAGES}"].encoders[0]._pixels = picture(1, height=30)  # type: ignore[attr-defined]
    monkeypatch.setattr(robot.processor.streams, "follow", lambda *_: None)
    assert robot.feed().outcome is Outcome.EDGE
    assert [request.reference for request in edge.requests] == [0, 0]
    assert robot.processor.streams.counts.failed == 0


def test_a_picture_of_another_size_than_the_request_says_is_refused(edge: Edge) -> None:
    robot = make(edge)
    robot.feed()
    publish = edge.publish
    edge.publish = lambda request: publish(  # type: ignore[method-assign]
        replace(request, letterbox=replace(request.letterbox, image_width=41)) if request.letterbox else request
    )
    assert robot.feed().outcome is Outcome.FALLBACK
    assert "40 x 24 pixels, the request says otherwise" in robot.sink.decisions[-1].reason
    edge.publish = publish  # type: ignore[method-assign]
    assert robot.feed().outcome is Outcome.EDGE


def test_a_sample_of_an_image_is_a_key_of_no_stream(edge: Edge) -> None:
    on_device = image_table().on_device
    robot = make_robot(edge, Chooser(lambda _: Choice(on_device, sample_arm=0)), table=image_table())
    robot.feed()
    (sample,) = edge.requests
    assert sample.key.kind is Kind.SAMPLE and sample.tensors[0].codec == IMAGES and sample.checksum == 0
    assert edge.server.streams.counts.held == 0
    arm = image_table().arms[0]
    encoded = small_engine().encode_image(arm, CameraImage(picture(1)))
    assert bytes(encoded[0].data) == bytes(sample.tensors[0].data)


def test_the_bytes_of_a_key_are_those_of_the_cameras_size(edge: Edge) -> None:
    robot = make(edge)
    robot.feed()
    statistics = robot.processor._selector.statistics
    expected = image_table().key_bytes[0] * 24 * 40 / CUSTOMARY_PIXELS
    sent = edge.requests[0].payload_bytes
    assert statistics.key_bytes[0] == pytest.approx(expected + 0.2 * (sent - expected))
