# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from neurosurgeon_ros.protocol.presence import MAX_ID_LENGTH, is_id, new_secret, session_of, to_id


def test_secrets_differ_and_fit_the_message() -> None:
    secrets = {new_secret() for _ in range(100)}
    assert len(secrets) == len({session_of(secret) for secret in secrets}) == 100
    assert {len(secret) for secret in secrets} == {64}
    assert all(0 <= session_of(secret) < 2**64 for secret in secrets)


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
