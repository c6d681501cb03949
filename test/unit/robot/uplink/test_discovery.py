# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from neurosurgeon_ros.protocol.presence import EDGE_TIMEOUT_S, EdgeReport
from neurosurgeon_ros.robot.uplink.discovery import EdgeDiscovery
from neurosurgeon_ros.robot.uplink.link import NO_EDGE

OURS = EdgeReport("edge", 1, {"f" * 64: "small"}, {"robot": 7})


def said(discovery: EdgeDiscovery, now_s: float) -> str:
    obstacle = discovery.obstacle(now_s)
    return "" if obstacle is None else obstacle.text


def is_mistake(discovery: EdgeDiscovery, now_s: float) -> bool:
    obstacle = discovery.obstacle(now_s)
    return obstacle is not None and obstacle.is_mistake


@pytest.fixture
def discovery() -> EdgeDiscovery:
    return EdgeDiscovery(robot_id="robot", session=7, fingerprint="f" * 64)


def test_an_edge_that_serves_this_robot_is_no_obstacle(discovery: EdgeDiscovery) -> None:
    assert discovery.obstacle(0.0) is NO_EDGE
    discovery.hear(OURS, 10.0)
    assert discovery.obstacle(10.0) is None
    assert discovery.obstacle(10.0 + EDGE_TIMEOUT_S) is None
    assert discovery.obstacle(10.01 + EDGE_TIMEOUT_S) is NO_EDGE
    assert discovery.edge(10.01 + EDGE_TIMEOUT_S) is None


def test_a_robot_keeps_to_one_edge_until_it_is_gone(discovery: EdgeDiscovery) -> None:
    discovery.hear(OURS, 0.0)
    other = replace(OURS, edge_id="other", robots={})
    discovery.hear(other, 1.0)
    edge = discovery.edge(1.0)
    assert edge is not None and edge.edge_id == "edge"
    discovery.hear(other, 0.01 + EDGE_TIMEOUT_S)
    edge = discovery.edge(0.01 + EDGE_TIMEOUT_S)
    assert edge is not None and edge.edge_id == "other"


def test_an_edge_with_the_robots_model_is_taken_before_one_without(discovery: EdgeDiscovery) -> None:
    discovery.hear(replace(OURS, edge_id="other", models={"0" * 64: "large"}), 0.0)
    discovery.hear(OURS, 0.1)
    assert discovery.obstacle(0.1) is None


def test_what_stands_in_the_way_is_said(discovery: EdgeDiscovery) -> None:
    discovery.hear(replace(OURS, models={"0" * 64: "large"}), 0.0)
    text = said(discovery, 0.0)
    assert "has no model ffffffffffff" in text and "large (000000000000)" in text and "same model and weights" in text
    assert is_mistake(discovery, 0.0)
    discovery.hear(replace(OURS, robots={}), 0.1)
    assert "has not answered this robot's hello" in said(discovery, 0.1)
    assert not is_mistake(discovery, 0.1), "it is only a matter of time"
    discovery.hear(replace(OURS, robots={"robot": 8}), 0.2)
    assert "another robot holds the id robot" in said(discovery, 0.2)
    assert is_mistake(discovery, 0.2)


def test_an_edge_that_still_names_an_ended_session_is_awaited() -> None:
    discovery = EdgeDiscovery(robot_id="robot", session=9, fingerprint="f" * 64, former={7})
    discovery.hear(OURS, 0.0)
    assert "has not answered this robot's hello" in said(discovery, 0.0)
    discovery.hear(replace(OURS, robots={"robot": 8}), 0.1)
    assert "another robot holds the id robot" in said(discovery, 0.1)
    discovery.hear(replace(OURS, robots={"robot": 9}), 0.2)
    assert discovery.obstacle(0.2) is None


def test_an_edge_that_starts_again_is_taken_at_once(discovery: EdgeDiscovery) -> None:
    for session in range(1, 12):
        discovery.hear(replace(OURS, session=session), 0.1 * session)
        edge = discovery.edge(0.1 * session)
        assert edge is not None and edge.session == session
    assert discovery.twins == ""


def test_of_two_edges_with_one_id_the_robot_keeps_to_one_and_says_so(discovery: EdgeDiscovery) -> None:
    twins = [replace(OURS, session=number, node=f"/edge{number}") for number in (1, 2)]
    for number in range(20):
        discovery.hear(twins[number % 2], 0.25 * number)
        edge = discovery.edge(0.25 * number)
        assert edge is not None and edge.session == min(2, number + 1)
    assert "two edges announce the id edge" in discovery.twins
    assert "/edge1" in discovery.twins and "/edge2" in discovery.twins and "its own edge_id" in discovery.twins
    discovery.hear(twins[0], 4.75 + EDGE_TIMEOUT_S)
    edge = discovery.edge(4.75 + EDGE_TIMEOUT_S)
    assert edge is not None and edge.session == 2, "it may still be there"
    discovery.hear(twins[0], 4.8 + EDGE_TIMEOUT_S)
    edge = discovery.edge(4.8 + EDGE_TIMEOUT_S)
    assert edge is not None and edge.session == 1
