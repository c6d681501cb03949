# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Consequences of the images' publishers: the quality of service, and the sentence about why no image arrives."""

from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from neurosurgeon_ros.camera.image_sources import Silence, Source, wanted_reliability
from neurosurgeon_ros.ros import qos

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


def source(
    reliability: ReliabilityPolicy = RELIABLE,
    node: str = "/driver",
    kind: str = "sensor_msgs/msg/Image",
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE,
) -> Source:
    return Source(node, kind, QoSProfile(depth=10, reliability=reliability, durability=durability))


COMPRESSED = source(kind="sensor_msgs/msg/CompressedImage", node="/republish")


def cause(
    *sources: Source,
    others: dict[str, list[Source]] | None = None,
    profile: QoSProfile = qos.SENSOR_DATA,
    came: bool = False,
    transport: str = "raw",
) -> str:
    topic = "/image_raw" if transport == "raw" else f"/image_raw/{transport}"
    said = Silence(topic, transport, profile, sources, others or {}, came).cause()
    assert "\n" not in said and not said.endswith(".")
    return said


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ([], BEST_EFFORT),
        ([RELIABLE], RELIABLE),
        ([RELIABLE, RELIABLE], RELIABLE),
        ([RELIABLE, BEST_EFFORT], BEST_EFFORT),
        ([BEST_EFFORT], BEST_EFFORT),
        ([ReliabilityPolicy.UNKNOWN], BEST_EFFORT),
        ([RELIABLE, ReliabilityPolicy.UNKNOWN], BEST_EFFORT),
    ],
)
def test_reliable_where_every_publisher_offers_it(offered: list[ReliabilityPolicy], wanted: ReliabilityPolicy) -> None:
    assert wanted_reliability(map(source, offered)) == wanted


def test_images_on_another_topic_are_named_with_how_to_remap() -> None:
    said = cause(others={"/cam0/image_raw": [source()]})
    assert said.startswith("the robot takes images from /image_raw, and nobody publishes it")
    assert "/cam0/image_raw by /driver (reliable, volatile, depth 10)" in said
    assert "-r image_raw:=/cam0/image_raw, or image_topic:=/cam0/image_raw by launch" in said


def test_compressed_images_are_remapped_by_their_base() -> None:
    said = cause(transport="compressed", others={"/cam0/image/compressed": [COMPRESSED]})
    assert "-r image_raw:=/cam0/image, or" in said


def test_images_of_the_other_transport_elsewhere_are_named_with_the_parameter() -> None:
    said = cause(others={"/cam0/image/compressed": [COMPRESSED]})
    assert said.endswith("set image_transport to compressed")


def test_where_there_are_images_that_fit_others_are_not_named() -> None:
    said = cause(others={"/a/compressed": [COMPRESSED], "/b": [source()]})
    assert "/a/compressed" not in said and "image_raw:=/b," in said


def test_of_many_topics_some_are_named() -> None:
    said = cause(others={f"/cam{number}": [source()] for number in range(30)})
    assert said.count(" by /driver") == 4 and "; …:" in said


def test_without_any_image_in_the_graph_the_driver_is_asked_for() -> None:
    assert "start the camera's driver" in cause()
    assert "its publisher is gone" in cause(came=True)


def test_a_publisher_that_does_not_match_is_named_with_both_ends() -> None:
    said = cause(source(BEST_EFFORT), profile=qos.RELIABLE_IMAGES)
    assert said.startswith("/driver (best effort, volatile, depth 10) publishes /image_raw with a quality of service")
    assert said.endswith("remove what qos_overrides./image_raw.subscription asks for")


def test_durability_that_does_not_match_is_named_too() -> None:
    asked = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    assert "does not match" in cause(source(), profile=asked)
    assert "does not match" not in cause(source(durability=DurabilityPolicy.TRANSIENT_LOCAL), profile=asked)


def test_a_publisher_that_matches_and_sends_nothing_is_named() -> None:
    assert "publishes /image_raw, but has sent none yet" in cause(source())
    assert "publishes /image_raw, but sends none any more" in cause(source(), came=True)


def test_a_node_whose_name_is_not_known_yet_is_said_to_be_one() -> None:
    assert cause(source(node="")).startswith("a node that has no name yet (reliable")


@pytest.mark.parametrize(
    ("transport", "kind"),
    [
        ("ffmpeg", "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"),
        ("foxglove", "foxglove_msgs/msg/CompressedVideo"),
    ],
)
def test_videos_are_named_with_the_parameter_and_remapped_by_their_base(transport: str, kind: str) -> None:
    others = {f"/cam0/image/{transport}": [source(kind=kind)], "/cam1/image/compressed": [COMPRESSED]}
    said = cause(others=others)
    assert said.endswith(
        f"there are {transport} images on /cam0/image/{transport} by /driver (reliable, volatile, depth "
        f"10): set image_transport to {transport}"
    )
    said = cause(others=others, transport=transport)
    assert "-r image_raw:=/cam0/image, or" in said and "/cam1" not in said
