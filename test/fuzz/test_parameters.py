# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Any value of a parameter is set within the bounds, or refused in one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import rclpy
from fuzz.cases import Case, Fuzz
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.msg import ParameterValue as Value
from rclpy.context import Context
from rclpy.parameter import Parameter

from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.ros.managed import ManagedNode
from neurosurgeon_ros.ros.parameters import refusal

TEXTS = ("", "auto", "fp32", "/", "//", "/a b", "a\0b", "é" * 100, "yolov3_tiny", "x:y", "../a.pt2", "x" * 100_000)
INTEGERS = (0, 1, -1, 2, 8, 2**31, -(2**31), 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan"))

#: One case in this many is tried: reading a parameter file takes milliseconds.
SLOW = 10


class Refused(Exception):
    """The parameters were not set."""


def value(case: Case) -> Value:
    """Return a value of any type, and sometimes of an unknown type."""
    return Value(
        type=case.randrange(256) if case.random() < 0.02 else case.randrange(ParameterType.PARAMETER_STRING_ARRAY + 1),
        bool_value=case.random() < 0.5,
        integer_value=case.choice(INTEGERS),
        double_value=case.choice(DOUBLES),
        string_value=case.choice(TEXTS),
        byte_array_value=[b"\0"] * case.randrange(3),
        bool_array_value=[True] * case.randrange(3),
        integer_array_value=[case.choice(INTEGERS)] * case.randrange(3),
        double_array_value=[case.choice(DOUBLES)] * case.randrange(3),
        string_array_value=[case.choice(TEXTS) for _ in range(case.randrange(3))],
    )


@pytest.mark.parametrize("kind", [RobotParameters, EdgeParameters])
@pytest.mark.parametrize("configured", [False, True])
def test_any_change_is_made_or_refused(
    fuzz: Fuzz, kind: type[Any], configured: bool, ros_domain: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rclpy.init(args=[])
    try:
        node: ManagedNode[Any] = ManagedNode("tested", kind)
        node._configured = configured
        names = [field.name for field in dataclasses.fields(kind)]
        problems: list[str] = []
        monkeypatch.setattr(node, "say_error", problems.append)

        def attempt(case: Case) -> None:
            changes = [
                Parameter.from_parameter_msg(_message(case.choice(names), value(case)))
                for _ in range(case.randrange(1, 3))
            ]
            result = node.set_parameters_atomically(changes)
            assert not problems
            for name in names:
                assert refusal(kind, name, getattr(node.parameters, name)) == ""
            if not result.successful:
                assert result.reason
                raise Refused

        fuzz(attempt, Refused, ValueError, TypeError)
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _message(name: str, given: Value) -> Any:
    message = Parameter(name, value=0).to_parameter_msg()
    message.value = given
    return message


@pytest.mark.parametrize("name", ["robot", "edge"])
def test_a_damaged_parameter_file_is_read_or_refused(
    fuzz: Fuzz, name: str, root: Path, tmp_path: Path, ros_domain: int
) -> None:
    good, path = (root / "config" / f"{name}.yaml").read_bytes(), tmp_path / "damaged.yaml"

    def attempt(case: Case) -> None:
        path.write_bytes(case.damaged(good))
        context = Context()
        try:
            rclpy.init(context=context, args=["--ros-args", "--params-file", str(path)])
        finally:
            context.try_shutdown()

    fuzz(attempt, Exception, every=SLOW)
