# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms that send the camera's image as a JPEG made by the robot: nothing else delays the frame."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from robots import LONG_S, SHORT_S, Chooser, Edge, Robot, equal, make_robot, picture, small_engine, whole

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable, build_arm_table
from neurosurgeon_ros.calibration.fidelity import ArmFidelity, FidelityTable
from neurosurgeon_ros.codecs import CODECS, CameraImage, CodecError
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS
from neurosurgeon_ros.codecs.picture import decode_bgr
from neurosurgeon_ros.learning.interface import Choice, Context, Kind
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.protocol.requests import Reply
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.robot.frame import Frame

NAME = "input/camera-jpeg85-420"


@functools.cache
def table() -> ArmTable:
    codecs = ("uint8", "fp32", "camera-jpeg85-420", "camera-jpeg95-420")
    return build_arm_table(small_engine(), codecs, keep_all=True, repeats=1)


def seen(number: int) -> NDArray[np.uint8]:
    """Return a picture with some structure, as a camera sends it."""
    return np.asarray(cv2.blur(picture(number, 90, 120), (5, 5)), dtype=np.uint8)


def jpeg(image: NDArray[np.uint8], quality: int = 85) -> memoryview:
    data: memoryview = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].data
    return data


def after_jpeg(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    pixels = decode_bgr(jpeg(image))
    assert pixels is not None
    return pixels


def as_jpeg(context: Context) -> Choice:
    return Choice(arm=table().index(NAME), predicted_offload_s=0.001, optimistic_offload_s=0.001)


@pytest.fixture
def robot() -> Iterator[Robot]:
    """Yield a robot that prefers to send every image as JPEG."""
    with Edge() as edge:
        robot = make_robot(edge)
        robot.processor.replace(table(), Chooser(as_jpeg), "tested")
        yield robot
    assert edge.problems == []


def test_the_whole_image_travels_and_the_edge_does_the_robots_pre_processing(robot: Robot) -> None:
    image = seen(1)
    assert robot.feed(image).outcome is Outcome.EDGE
    (tensor,) = robot.edge.requests[-1].tensors
    assert bytes(tensor.data) == bytes(jpeg(image)), "the camera's size, not the network's"
    assert equal(robot.sink.results[-1].detections, whole(after_jpeg(image)))
    (decision,) = robot.sink.decisions
    assert (decision.arm, decision.sent_bytes) == (NAME, tensor.data.nbytes)


def test_nothing_but_the_encoding_is_done_before_the_image_is_sent(robot: Robot) -> None:
    robot.feed(seen(1))  # from here on, the letterbox of this image size is known
    done: list[str] = []

    def note(owner: object, name: str) -> AbstractContextManager[object]:
        do = getattr(owner, name)

        def noted(*args: object) -> object:
            done.append(name)
            return do(*args)

        return patch.object(owner, name, noted)

    with (
        note(robot.edge, "publish"),
        note(KeyFrameDetector, "score"),
        note(Frame, "input"),
    ):
        robot.feed(seen(2))
    assert done == ["publish", "score"]
    assert robot.sink.decisions[-1].similarity != 0.0, "it was scored all the same"


def test_without_an_answer_the_robot_finishes_from_the_image_itself(robot: Robot) -> None:
    def never(edge: Edge, reply: Reply) -> None:
        pass

    robot.edge.handle = never
    image = seen(1)
    assert robot.feed(image, deadline_s=SHORT_S).outcome is Outcome.FALLBACK
    assert equal(robot.sink.results[-1].detections, whole(image)), "not of what the jpeg made of it"
    delays = robot.sink.decisions[-1].delays
    assert delays.finish > 0.0
    assert delays.total >= delays.preprocess + delays.front_end + delays.finish


def test_it_may_be_a_sample_beside_a_frame_on_the_robot_and_have_samples_beside_it(robot: Robot) -> None:
    made = table()
    arm = made.index(NAME)
    asked = [(made.on_device, arm), (arm, made.index("input/uint8"))]

    def choose(context: Context) -> Choice:
        arm, sample = asked[0]
        return Choice(arm=arm, sample_arm=sample)

    robot.processor.replace(made, Chooser(choose), "tested")
    image = seen(1)
    assert robot.feed(image).outcome is Outcome.ON_DEVICE
    assert [request.key.kind for request in robot.edge.requests] == [Kind.SAMPLE]
    assert bytes(robot.edge.requests[0].tensors[0].data) == bytes(jpeg(image))
    robot.processor.uplink.requests.forget()
    del asked[0]
    assert robot.feed(image, deadline_s=LONG_S).outcome is Outcome.EDGE
    assert [request.tensors[0].codec for request in robot.edge.requests[1:]] == ["camera-jpeg85-420", "uint8"]


def test_what_it_weighs_and_takes_goes_with_the_size_of_the_images(robot: Robot) -> None:
    contexts: list[Context] = []

    def on_device(context: Context) -> Choice:
        contexts.append(context)
        return Choice(arm=context.on_device)

    robot.processor.replace(table(), Chooser(on_device), "tested")
    arm, other = table().index(NAME), table().index("input/uint8")
    share = 90 * 120 / CUSTOMARY_PIXELS
    for _ in range(2):
        robot.feed(seen(1))
        assert contexts[-1].features[arm, PSI] == pytest.approx(share * table().features[arm, PSI])
        assert contexts[-1].robot_s[arm] == pytest.approx(share * table().profile.encode_s[arm])
        assert contexts[-1].features[other, PSI] == table().features[other, PSI]
        assert contexts[-1].robot_s[other] == table().robot_s[other]


def test_it_takes_a_calibration_and_images_that_may_be_shown() -> None:
    engine = small_engine()
    known = {
        NAME: ArmFidelity(0.96, 0.94, 0.97, 1000.0),
        "input/camera-jpeg75-420": ArmFidelity(0.9, 0.88, 0.92, 800.0),
    }
    measured = FidelityTable("small", engine.fingerprint, "f1", "pictures", 50, 50, known, pixels=CUSTOMARY_PIXELS / 4)

    def admitted(**rules: object) -> set[str]:
        arms = Admission(**rules).admit(engine, engine.arms(CODECS))  # type: ignore[arg-type]
        return {arm.name for arm in arms if arm.camera_codec is not None}

    assert admitted() == set()
    assert admitted(fidelity=measured) == {NAME}
    assert admitted(fidelity=measured, min_fidelity=0.9) == set(known)
    assert admitted(fidelity=measured, allow_raw_images=False) == set()
    arm = next(arm for arm in engine.arms(CODECS) if arm.name == NAME)
    assert Admission(fidelity=measured).expected_bytes(engine, arm) == 1000.0
    assert Admission(fidelity=measured).expected_bytes(engine, arm, customary=True) == 4000.0
    assert arm.is_lossless is False


def test_an_arm_of_tensors_takes_no_image_and_the_other_way_round() -> None:
    engine = small_engine()
    arms = {arm.name: arm for arm in engine.arms(CODECS)}
    image = CameraImage(seen(1))
    with pytest.raises(CodecError, match="sends tensors"):
        engine.encode_image(arms["input/uint8"], image)
    with pytest.raises(CodecError, match="carries a camera's image"):
        engine.encode(arms[NAME], (engine.model.example_input,))
