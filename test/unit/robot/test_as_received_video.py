# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The arm `as_received-video`: the packets of the camera's video are sent to the edge, which decodes them."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from camera_videos import STREET, encoded, shipped_frames
from robots import LONG_S, Chooser, Edge, Robot, equal, make_robot, small_engine, whole

from neurosurgeon_ros.calibration.admission import Admission, expand
from neurosurgeon_ros.calibration.arm_table import PSI, ArmTable, build_arm_table
from neurosurgeon_ros.codecs import AS_RECEIVED_VIDEO, CODECS, STREAM_CODECS, CameraImage
from neurosurgeon_ros.codecs.streams.video.received.chain import ChainKeeper
from neurosurgeon_ros.codecs.streams.video.received.decoder import CameraDecoder
from neurosurgeon_ros.learning.interface import Choice, Context, Kind
from neurosurgeon_ros.robot.arrival import Arrival
from neurosurgeon_ros.robot.decision import Outcome

pytest.importorskip("av", reason="a camera's video needs PyAV")

NAME = f"input/{AS_RECEIVED_VIDEO}"
GOP = 4


@functools.cache
def table() -> ArmTable:
    return build_arm_table(
        small_engine(), ("uint8", AS_RECEIVED_VIDEO), as_received=AS_RECEIVED_VIDEO, keep_all=True, repeats=1
    )


@functools.cache
def images() -> tuple[CameraImage, ...]:
    """Return successive images of a camera's video, with their packets."""
    decoder, keeper, made = CameraDecoder("h264"), ChainKeeper(), []
    frames = [np.ascontiguousarray(frame[:64, :96]) for frame in shipped_frames(STREET, 3 * GOP)]
    for packet in map(memoryview, encoded(frames, gop=GOP)):
        picture = decoder.decode(packet)
        chain = keeper.add(packet, "h264", picture.size, is_key=decoder.is_key)
        made.append(CameraImage(picture.bgr(), video=chain))
    return tuple(made)


def feed(robot: Robot, image: CameraImage) -> Outcome:
    number = robot.counts.accepted + 1
    robot.counts = replace(robot.counts, received=number, accepted=number)
    robot.processor.settings = replace(robot.processor.settings, deadline_s=LONG_S)
    arrival = Arrival("header", time.monotonic(), lambda: image.pixels, image.video)
    robot.processor.finish(robot.processor.begin(arrival, image.pixels, robot.counts, time.monotonic()))
    return robot.sink.results[-1].outcome


@pytest.fixture
def edge() -> Iterator[Edge]:
    with Edge() as edge:
        yield edge
    assert edge.problems == []


def make(edge: Edge, contexts: list[Context]) -> tuple[Robot, list[int]]:
    """Return a robot, and a list whose last entry is the arm that it chooses."""
    arms = [table().index(NAME)]

    def choose(context: Context) -> Choice:
        contexts.append(context)
        return Choice(arms[-1], predicted_offload_s=0.001, optimistic_offload_s=0.001)

    return make_robot(edge, Chooser(choose), table=table()), arms


def test_packets_travel_and_the_detections_are_the_whole_networks(edge: Edge) -> None:
    robot, arms = make(edge, [])
    for number in (1, 2, 3, 4, 6, 7):
        assert feed(robot, images()[number]) is Outcome.EDGE
        assert equal(robot.sink.results[-1].detections, whole(images()[number].pixels))
    assert [request.reference for request in edge.requests] == [0, 1, 2, 0, 4, 5], "a camera's key needs no reference"
    counts = [int.from_bytes(bytes(request.tensors[0].data[5:7]), "little") for request in edge.requests]
    assert counts == [2, 1, 1, 1, 2, 1]
    assert robot.processor.streams.counts.broken == 0

    # Another arm for a while: what came since the last key of the camera travels.
    arms.append(table().index("input/uint8"))
    feed(robot, images()[8]), feed(robot, images()[9])
    arms.pop()
    assert feed(robot, images()[10]) is Outcome.EDGE
    assert (edge.requests[-1].reference, bytes(edge.requests[-1].tensors[0].data[5:7])) == (0, b"\3\0")
    assert equal(robot.sink.results[-1].detections, whole(images()[10].pixels))


def test_a_lost_request_and_another_edge_cost_a_key_each(edge: Edge) -> None:
    robot, _ = make(edge, [])
    feed(robot, images()[0]), feed(robot, images()[1])
    publish = edge.publish
    edge.publish = lambda request: publish(replace(request, checksum=request.checksum ^ 1))  # type: ignore[method-assign]
    assert feed(robot, images()[2]) is Outcome.FALLBACK
    edge.publish = publish  # type: ignore[method-assign]
    assert feed(robot, images()[3]) is Outcome.EDGE
    assert [request.reference for request in edge.requests] == [0, 1, 2, 0]
    edge.problems.clear()


def test_bytes_are_those_of_the_packets_whether_they_are_sent_or_not(edge: Edge) -> None:
    contexts: list[Context] = []
    robot, arms = make(edge, contexts)
    arms.append(table().on_device)
    arm = arms[0]
    for image in images()[:6]:
        feed(robot, image)
    arms.pop()
    for image in images()[6:9]:
        feed(robot, image)
    sizes = [image.video.packets[-1].nbytes if image.video else 0 for image in images()]
    psi = [float(context.features[arm, PSI]) for context in contexts]
    assert psi[1] == sizes[1] and psi[2] == pytest.approx(0.8 * sizes[1] + 0.2 * sizes[2])
    assert psi[4] == psi[3], "a key of the camera says nothing about the packets between"
    excess = [float(np.asarray(context.key_bytes)[arm]) for context in contexts]
    chains = [image.video.nbytes if image.video else 0 for image in images()]
    for number in (*range(7), 8):  # a key is due until the first one is sent, and with a key of the camera
        assert excess[number] == pytest.approx(max(0.0, chains[number] - psi[number]))
    assert excess[7] == 0.0, "the edge holds what it builds on"


def test_without_packets_the_arm_may_not_be_chosen(edge: Edge) -> None:
    contexts: list[Context] = []
    robot, arms = make(edge, contexts)
    assert feed(robot, CameraImage(images()[0].pixels)) is Outcome.ON_DEVICE
    assert not contexts[-1].allowed[arms[0]]
    assert robot.sink.decisions[-1].reason == f"{NAME} may not be chosen"


def test_a_sample_is_a_key_of_no_stream(edge: Edge) -> None:
    arm = table().index(NAME)
    robot = make_robot(edge, Chooser(lambda _: Choice(table().on_device, sample_arm=arm)), table=table())
    feed(robot, images()[2])
    (sample,) = edge.requests
    assert sample.key.kind is Kind.SAMPLE and sample.tensors[0].codec == AS_RECEIVED_VIDEO and sample.checksum == 0
    assert edge.server.streams.counts.held == 0


def test_the_arm_is_there_if_the_camera_sends_a_video_and_images_may_be_sent() -> None:
    engine = small_engine()
    assert AS_RECEIVED_VIDEO in STREAM_CODECS
    assert expand(("auto",), as_received=AS_RECEIVED_VIDEO) == (*CODECS, AS_RECEIVED_VIDEO)
    for transport in ("", "as_received"):
        assert NAME not in {arm.name for arm in engine.arms(STREAM_CODECS, as_received=transport)}
    for price, allow, expected in ((0.0, True, True), (0.95, True, True), (0.95, False, False)):
        admission = Admission(min_fidelity=price, allow_raw_images=allow)
        made = build_arm_table(
            engine,
            ("uint8", AS_RECEIVED_VIDEO),
            admission=admission,
            as_received=AS_RECEIVED_VIDEO,
            repeats=1,
        )
        assert (NAME in {arm.name for arm in made.arms}) == expected, "it needs no calibration"
    index = table().index(NAME)
    assert table().as_received == index and table().fidelity[index] == 1.0
    assert table().key_bytes[index] > table().features[index, PSI] > 0.0
    assert table().decode_s[index] > 0.0 and table().camera[index]
