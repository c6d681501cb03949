# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm `as_received`: the camera's own picture is sent to the edge, and the edge pre-processes it."""

from __future__ import annotations

import functools
import queue
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from picture_files import TURNS, turned_jpeg
from robots import LONG_S, Chooser, Edge, Robot, equal, make_robot, picture, small_engine, whole

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable, build_arm_table
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.codecs import CODECS, CameraImage, CodecError, get_codec
from neurosurgeon_ros.codecs.camera import AS_RECEIVED, MOST_BYTES
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Choice, Context, Kind
from neurosurgeon_ros.protocol.requests import Key, Reply, Request, Status
from neurosurgeon_ros.robot.arrival import Arrival
from neurosurgeon_ros.robot.decision import Outcome

NAME = "input/as_received"
JPEG, PNG = ".jpg", ".png"


@functools.cache
def table() -> ArmTable:
    return build_arm_table(
        small_engine(), ("uint8", "fp32", "as_received"), as_received="as_received", keep_all=True, repeats=1
    )


def compressed(number: int, kind: str = JPEG, *settings: int) -> tuple[memoryview, NDArray[np.uint8]]:
    """Return a picture as a camera sends it, and the image that a robot decodes from it."""
    data = cv2.imencode(kind, cv2.blur(picture(number, 120, 90), (5, 5)), settings)[1]
    image = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return data.data, np.asarray(image, dtype=np.uint8)


def as_received(context: Context) -> Choice:
    return Choice(arm=table().index(NAME), predicted_offload_s=0.001, optimistic_offload_s=0.001)


def feed(robot: Robot, data: memoryview | None, image: NDArray[np.uint8]) -> Outcome:
    number = robot.counts.accepted + 1
    robot.counts = replace(robot.counts, received=number, accepted=number)
    robot.processor.settings = replace(robot.processor.settings, deadline_s=LONG_S)
    arrival = Arrival("header", time.monotonic(), lambda: image, data)
    robot.processor.finish(robot.processor.begin(arrival, image, robot.counts, time.monotonic()))
    return robot.sink.results[-1].outcome


@pytest.fixture
def robot() -> Iterator[Robot]:
    """Yield a robot that prefers to send images as they are received."""
    with Edge() as edge:
        robot = make_robot(edge)
        robot.processor.replace(table(), Chooser(as_received), "tested")
        yield robot
    assert edge.problems == []


def test_the_very_picture_travels_and_the_detections_are_the_whole_networks(robot: Robot) -> None:
    data, image = compressed(1)
    assert feed(robot, data, image) is Outcome.EDGE
    (tensor,) = robot.edge.requests[-1].tensors
    assert (tensor.codec, tensor.shape, bytes(tensor.data)) == ("as_received", (1, 3, 32, 32), bytes(data))
    assert equal(robot.sink.results[-1].detections, whole(image))
    decision = robot.sink.decisions[-1]
    assert (decision.arm, decision.sent_bytes) == (NAME, data.nbytes)


@pytest.mark.parametrize("orientation", TURNS)
def test_a_picture_with_an_orientation_is_turned_at_the_edge_as_on_the_robot(robot: Robot, orientation: int) -> None:
    data, upright = compressed(1)
    turned = memoryview(turned_jpeg(bytes(data), orientation))
    image = np.ascontiguousarray(TURNS[orientation](upright))
    assert feed(robot, turned, image) is Outcome.EDGE
    request = robot.edge.requests[-1]
    assert bytes(request.tensors[0].data) == bytes(turned)
    assert request.letterbox is not None
    assert (request.letterbox.image_height, request.letterbox.image_width) == image.shape[:2]
    assert equal(robot.sink.results[-1].detections, whole(image))


@pytest.mark.parametrize("what", ["raw", "png", "progressive", "another size"])
def test_what_no_edge_would_take_is_not_sent(robot: Robot, what: str) -> None:
    data, image = compressed(
        1, PNG if what == "png" else JPEG, *((cv2.IMWRITE_JPEG_PROGRESSIVE, 1) * (what[:2] == "pr"))
    )
    image = image[1:] if what == "another size" else image
    assert feed(robot, None if what == "raw" else data, image) is Outcome.ON_DEVICE
    assert robot.edge.requests == []
    assert robot.sink.decisions[-1].reason == f"{NAME} may not be chosen"
    assert equal(robot.sink.results[-1].detections, whole(image))


def test_it_weighs_what_has_come_in_whether_it_was_sent_or_not(robot: Robot) -> None:
    contexts: list[Context] = []

    def on_device(context: Context) -> Choice:
        contexts.append(context)
        return Choice(arm=context.on_device)

    robot.processor.replace(table(), Chooser(on_device), "tested")
    data, image = compressed(1)
    for _ in range(2):
        feed(robot, data, image)
    data_2, image_2 = compressed(2, JPEG, cv2.IMWRITE_JPEG_QUALITY, 20)
    feed(robot, data_2, image_2)
    feed(robot, None, image)
    arm = table().index(NAME)
    weights = [context.features[arm, PSI] for context in contexts]
    assert weights[0] == weights[1] == data.nbytes
    assert weights[2] == weights[3] == pytest.approx(0.8 * data.nbytes + 0.2 * data_2.nbytes)
    assert [bool(context.allowed[arm]) for context in contexts] == [True, True, True, False]


def test_there_is_no_such_arm_unless_images_come_compressed_and_may_be_shown() -> None:
    engine = small_engine()
    assert "as_received" in CODECS
    assert NAME not in {arm.name for arm in engine.arms(CODECS)}
    assert [arm.name for arm in engine.arms(CODECS, as_received="as_received") if arm.codec == "as_received"] == [NAME]
    hidden = Admission(min_fidelity=0.0, allow_raw_images=False)
    made = build_arm_table(engine, CODECS, admission=hidden, as_received="as_received", keep_all=True, repeats=1)
    assert made.as_received is None


def test_it_is_kept_and_takes_no_other_arms_place() -> None:
    def measure(engine: Engine, arms: Sequence[Arm]) -> DelayProfile:
        encode_s = np.array([0.0 if arm.codec in ("", "as_received") else 1e-3 for arm in arms])
        decode_s = np.array([1e-3 if arm.codec == "as_received" else 0.0 for arm in arms])
        return DelayProfile(0.0, 1e-4, np.linspace(0.0, 0.1, engine.on_device + 1), encode_s, decode_s, 0.0)

    codecs = ("uint8", "as_received")
    with_it = build_arm_table(small_engine(), codecs, as_received="as_received", measure=measure)
    index = with_it.index(NAME)
    assert with_it.as_received == index
    assert with_it.fidelity[index] == 1.0
    assert with_it.profile.encode_s[index] < with_it.decode_s[index]
    assert len(with_it.arms) > 2, "it alone would be enough if it took the others' place"


def request(**changes: object) -> Request:
    """Return a valid request with changes to its tensor."""
    data, image = compressed(1)
    engine = small_engine()
    _, fitted = engine.model.preprocess(image)
    tensor = AS_RECEIVED.carry(CameraImage(image, data), engine.partitioned.points[0].tensors[0])
    key = Key("robot", 7, 1, Kind.FRAME)
    tensors = (replace(tensor, **changes),)  # type: ignore[arg-type]
    return Request(key, "header", engine.fingerprint, 0, tensors, fitted, 0.0, 0.5)


def answer(asked: Request) -> Reply:
    engine = small_engine()
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    problems: list[str] = []
    server = EdgeServer({engine.fingerprint: engine}, replies.put, on_problem=problems.append)
    server.start()
    server.submit(asked)
    try:
        return replies.get(timeout=LONG_S)
    finally:
        server.stop()
        assert problems == []


def damaged() -> memoryview:
    """Return a picture with a valid header, and a damaged header of its scan."""
    data = bytearray(compressed(1)[0])
    scan = data.index(b"\xff\xda")
    data[scan + 5 : scan + 11] = b"\xff" * 6
    return memoryview(bytes(data))


BAD = {
    "of another size": (lambda: replace_size(request()), "91 x 120"),
    "png": (lambda: request(data=compressed(1, PNG)[0]), "no plain baseline JPEG"),
    "cut off": (lambda: request(data=compressed(1)[0][:500]), "no plain baseline JPEG"),
    "empty": (lambda: request(data=memoryview(b"")), "no plain baseline JPEG"),
    "too many bytes": (lambda: request(data=memoryview(bytes(MOST_BYTES + 1))), "at most"),
    "huge": (lambda: request(data=huge()), "no plain baseline JPEG of a size"),
    "damaged": (lambda: request(data=damaged()), "cannot be decoded"),
    "a scale": (lambda: request(scale=(1.0,), zero_point=(0,)), "scale"),
    "a later point": (lambda: replace(request(), partition_point=1), ""),
}


def replace_size(asked: Request) -> Request:
    assert asked.letterbox is not None
    return replace(asked, letterbox=replace(asked.letterbox, image_width=91))


def huge() -> memoryview:
    """Return a picture whose header claims 16,000 x 16,000 pixels."""
    data = bytearray(compressed(1)[0])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (16000).to_bytes(2, "big") * 2
    return memoryview(bytes(data))


def test_the_edge_takes_a_good_one() -> None:
    reply = answer(request())
    assert reply.feedback.status is Status.OK
    assert reply.detections is not None and equal(reply.detections, whole(compressed(1)[1]))


@pytest.mark.parametrize("what", BAD)
def test_the_edge_refuses_what_is_no_such_picture(what: str) -> None:
    make, reason = BAD[what]
    feedback = answer(make()).feedback
    assert feedback.status is Status.INVALID
    assert reason in feedback.error


def test_no_tensor_can_be_encoded_or_decoded_by_it_alone() -> None:
    codec, spec = get_codec("as_received"), small_engine().partitioned.points[0].tensors[0]
    data, image = compressed(1)
    with pytest.raises(CodecError, match="cannot encode"):
        codec.encode(small_engine().model.example_input, spec)
    with pytest.raises(CodecError, match="gives an image"):
        codec.decode(AS_RECEIVED.carry(CameraImage(image, data), spec), spec)
    with pytest.raises(CodecError, match="no plain baseline JPEG"):
        AS_RECEIVED.carry(CameraImage(image, compressed(1, PNG)[0]), spec)
    with pytest.raises(CodecError, match="no plain baseline JPEG"):
        AS_RECEIVED.carry(CameraImage(image), spec)
