# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from neurosurgeon_ros.edge.robots import RobotRegistry
from neurosurgeon_ros.protocol.presence import ROBOT_TIMEOUT_S, new_secret, session_of


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
    # None of these frees the id: another session's secret, an empty one, the public session number.
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


def test_there_is_a_greatest_number_of_robots() -> None:
    registry = RobotRegistry(max_robots=2)
    assert [registry.hello(name, 1, "f", 0.0) for name in ("a", "b")] == ["", ""]
    said = registry.hello("c", 1, "f", 0.0)
    assert "one too many" in said and "max_robots" in said
    assert registry.hello("a", 1, "f", 1.0) == ""


@pytest.mark.parametrize("bad", ["", "7", "_a", "a__b", "A", "a/b", "a" * 65, "a b", "a\n", "ä"])
def test_what_cannot_be_in_a_topics_name_is_refused(bad: str) -> None:
    assert "robot_id" in RobotRegistry().hello(bad, 1, "f", 0.0)
