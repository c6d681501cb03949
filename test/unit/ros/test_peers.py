# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Peers with other message types are detected from their endpoints in the graph."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from std_msgs.msg import Header

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.ros.peers import foreign
from neurosurgeon_ros.ros.type_hashes import type_hash, type_name

TOPIC = "/neurosurgeon/hello"


def endpoint(kind: str = "neurosurgeon_ros/msg/RobotHello", known: str = "") -> Any:
    return SimpleNamespace(
        node_name="robot_node",
        node_namespace="/r1",
        topic_type=kind,
        topic_type_hash=known or type_hash(type_name(RobotHello)),
    )


def test_names_and_hashes_are_those_of_the_built_package() -> None:
    assert type_name(Header) == "std_msgs/msg/Header"
    assert type_hash(type_name(RobotHello)).startswith("RIHS01_") and len(type_hash(type_name(RobotHello))) == 71
    assert type_hash(type_name(RobotHello)) != type_hash(type_name(Header))


def test_one_of_our_own_kind_is_listened_to() -> None:
    assert foreign(RobotHello, TOPIC, [endpoint(), endpoint(known="INVALID")]) == {}


def test_one_whose_node_is_not_known_yet_is_judged_later() -> None:
    early = endpoint(kind="std_msgs/msg/String")
    early.node_name, early.node_namespace = "_NODE_NAME_UNKNOWN_", "_NODE_NAMESPACE_UNKNOWN_"
    assert foreign(RobotHello, TOPIC, [early]) == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (endpoint(known="RIHS01_" + "0" * 64), "RIHS01_000000000000 instead of RIHS01_"),
        (endpoint(kind="std_msgs/msg/String"), "std_msgs/msg/String on /neurosurgeon/hello, expected neurosurgeon_ros"),
    ],
)
def test_another_is_named_with_both_types(given: Any, said: str) -> None:
    wrong = foreign(RobotHello, TOPIC, [endpoint(), given])
    assert list(wrong) == ["/r1/robot_node"]
    assert wrong["/r1/robot_node"].startswith("/r1/robot_node has ") and said in wrong["/r1/robot_node"]
