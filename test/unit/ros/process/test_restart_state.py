# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A restart state is read back unchanged, and anything else is refused in one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.parameter import Parameter

from neurosurgeon_ros.ros.process.dds import Transport
from neurosurgeon_ros.ros.process.restart_state import VARIABLE, RestartState, take_restart_state, transport_left

FLOATS = st.floats(allow_nan=False)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    st.booleans(),
    INTEGERS,
    FLOATS,
    st.text(),
    st.binary(min_size=1, max_size=5).map(lambda data: [bytes([one]) for one in data]),
    st.lists(st.booleans(), min_size=1),
    st.lists(INTEGERS, min_size=1),
    st.lists(FLOATS, min_size=1),
    st.lists(st.text()),
)


@given(st.dictionaries(st.text(min_size=1), VALUES), st.binary())
def test_a_will_arrives_as_it_was(values: dict[str, object], handover: bytes) -> None:
    parameters = tuple(
        Parameter(name, Parameter.Type.STRING_ARRAY if value == [] else None, value) for name, value in values.items()
    )
    read = RestartState.from_text(RestartState(parameters, "active", handover).to_text())
    assert (read.state, read.handover) == ("active", handover)
    assert [(one.name, one.type_, _plain(one.value)) for one in read.parameters] == [
        (one.name, one.type_, _plain(one.value)) for one in parameters
    ]


def _plain(value: object) -> object:
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"parameters": {"a": [99, 1]}, "state": "active", "handover": ""}',
        '{"parameters": {"a": [2, "one"]}, "state": "active", "handover": ""}',
        '{"parameters": {"a": 3}, "state": "active", "handover": ""}',
        '{"parameters": {}, "state": "active", "handover": "?"}',
        '{"parameters": {}, "state": "active", "handover": 1}',
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{VARIABLE} is not the restart state .*remove it from the environment$"):
        RestartState.from_text(text)


def test_it_is_taken_once_and_means_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, RestartState((), "inactive").to_text())
    assert transport_left() is Transport.UDP
    state = take_restart_state()
    assert state is not None and state.state == "inactive"
    assert take_restart_state() is None
    assert transport_left() is Transport.AUTO
