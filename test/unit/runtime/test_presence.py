# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosurgeon_ros.runtime.presence import (
    EDGE_TIMEOUT_S,
    MAX_ID_LENGTH,
    ROBOT_TIMEOUT_S,
    EdgeReport,
    EdgeWatch,
    RobotRegistry,
    is_id,
    new_secret,
    session_of,
    to_id,
)

OURS = EdgeReport("edge", 1, {"f" * 64: "small"}, {"robot": 7})


@pytest.fixture
def watch() -> EdgeWatch:
    return EdgeWatch(robot_id="robot", session=7, fingerprint="f" * 64)


def test_an_edge_that_serves_this_robot_is_no_obstacle(watch: EdgeWatch) -> None:
    assert watch.obstacle(0.0) == "no edge is there"
    watch.hear(OURS, 10.0)
    assert watch.obstacle(10.0) == ""
    assert watch.obstacle(10.0 + EDGE_TIMEOUT_S) == ""
    assert watch.obstacle(10.01 + EDGE_TIMEOUT_S) == "no edge is there"
    assert watch.edge(10.01 + EDGE_TIMEOUT_S) is None


def test_a_robot_keeps_to_one_edge_until_it_is_gone(watch: EdgeWatch) -> None:
    watch.hear(OURS, 0.0)
    other = replace(OURS, edge_id="other", robots={})
    watch.hear(other, 1.0)
    edge = watch.edge(1.0)
    assert edge is not None and edge.edge_id == "edge"
    watch.hear(other, 0.01 + EDGE_TIMEOUT_S)
    edge = watch.edge(0.01 + EDGE_TIMEOUT_S)
    assert edge is not None and edge.edge_id == "other"


def test_an_edge_with_the_robots_model_is_taken_before_one_without(watch: EdgeWatch) -> None:
    watch.hear(replace(OURS, edge_id="other", models={"0" * 64: "large"}), 0.0)
    watch.hear(OURS, 0.1)
    assert watch.obstacle(0.1) == ""


def test_what_stands_in_the_way_is_said(watch: EdgeWatch) -> None:
    watch.hear(replace(OURS, models={"0" * 64: "large"}), 0.0)
    said = watch.obstacle(0.0)
    assert "has no model ffffffffffff" in said and "large (000000000000)" in said and "same model and weights" in said
    watch.hear(replace(OURS, robots={}), 0.1)
    assert "has not answered this robot's hello" in watch.obstacle(0.1)
    watch.hear(replace(OURS, robots={"robot": 8}), 0.2)
    assert "another robot holds the id robot" in watch.obstacle(0.2)


def test_an_id_is_free_after_two_seconds_of_silence() -> None:
    registry = RobotRegistry()
    assert registry.hello("robot", 1, "f", 0.0) == ""
    assert registry.hello("robot", 1, "f", 1.0) == ""
    assert "held by another robot" in registry.hello("robot", 2, "f", 1.0 + ROBOT_TIMEOUT_S)
    assert registry.holds("robot", 1) and not registry.holds("robot", 2)
    assert registry.hello("robot", 2, "f", 1.01 + ROBOT_TIMEOUT_S) == ""
    assert registry.holds("robot", 2) and not registry.holds("robot", 1)
    assert registry.sessions() == {"robot": 2}


def test_silent_robots_expire() -> None:
    registry = RobotRegistry()
    registry.hello("a", 1, "f", 0.0)
    registry.hello("b", 1, "f", 1.0)
    assert registry.expire(0.5 + ROBOT_TIMEOUT_S) == ["a"]
    assert registry.sessions() == {"b": 1}
    assert registry.expire(0.5 + ROBOT_TIMEOUT_S) == []


def test_a_session_gives_its_id_back_and_only_it_can() -> None:
    registry, secret, next_secret = RobotRegistry(), new_secret(), new_secret()
    session, following = session_of(secret), session_of(next_secret)
    assert registry.hello("robot", session, "f", 0.0) == ""
    # Another session's secret, a made-up one, the public number: none of them frees the id.
    for other, shown in ((session, next_secret), (session, ""), (session, f"{session:x}"), (following, next_secret)):
        assert not registry.leave("robot", other, shown)
        assert registry.holds("robot", session)
        assert "held by another robot" in registry.hello("robot", following, "f", 0.1)
    assert not registry.leave("other", session, secret)

    assert registry.leave("robot", session, secret)
    assert registry.sessions() == {}
    assert registry.hello("robot", following, "f", 0.1) == ""
    assert not registry.leave("robot", session, secret), "a goodbye that is played again ends no other session"
    assert registry.holds("robot", following)


def test_secrets_differ_and_fit_the_message() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == len({session_of(secret) for secret in secrets}) == 100
    assert {len(secret) for secret in secrets} == {64}
    assert all(0 <= session_of(secret) < 2**64 for secret in secrets)


def test_an_edge_that_still_names_an_ended_session_is_awaited() -> None:
    watch = EdgeWatch(robot_id="robot", session=9, fingerprint="f" * 64, former={7})
    watch.hear(OURS, 0.0)
    assert "has not answered this robot's hello" in watch.obstacle(0.0)
    watch.hear(replace(OURS, robots={"robot": 8}), 0.1)
    assert "another robot holds the id robot" in watch.obstacle(0.1)
    watch.hear(replace(OURS, robots={"robot": 9}), 0.2)
    assert watch.obstacle(0.2) == ""


def test_there_is_a_greatest_number_of_robots() -> None:
    registry = RobotRegistry(max_robots=2)
    assert [registry.hello(name, 1, "f", 0.0) for name in ("a", "b")] == ["", ""]
    said = registry.hello("c", 1, "f", 0.0)
    assert "one too many" in said and "max_robots" in said
    assert registry.hello("a", 1, "f", 1.0) == ""


@pytest.mark.parametrize("bad", ["", "7", "_a", "a__b", "A", "a/b", "a" * 65, "a b", "a\n", "ä"])
def test_what_cannot_be_in_a_topics_name_is_refused(bad: str) -> None:
    assert "robot_id" in RobotRegistry().hello(bad, 1, "f", 0.0)


@given(st.text(min_size=1, max_size=100))
def test_every_name_becomes_an_id_or_is_refused(name: str) -> None:
    try:
        text = to_id(name)
    except ValueError:
        assert not any(letter.isascii() and letter.isalnum() for letter in name)
        return
    assert is_id(text)
    assert len(text) <= MAX_ID_LENGTH
    assert to_id(text) == text.rstrip("_")


def test_ids_of_usual_names() -> None:
    assert to_id("/robot_node") == "robot_node"
    assert to_id("/Fleet/r2--d2/robot_node") == "fleet_r2_d2_robot_node"
    assert to_id("4") == "id_4"
