# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parameters as dataclasses: declared, read, refused with the possible values, and listed in a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from neurosurgeon_ros.edge.shares import parse_weights
from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.ros.parameters import check_changes, declare, parameter, read, refusal, table
from neurosurgeon_ros.ros.process.process import StartError


@dataclass(frozen=True)
class Kind:
    """Parameters of each kind."""

    name: str = parameter("a", "which", choices=("a", "b"))
    names: tuple[str, ...] = parameter(("a",), "which of them", choices=("a", "b"))
    path: str = parameter("", "any text")
    where: str = parameter("/ns", "a namespace", namespace=True)
    share: float = parameter(0.5, "how much", unit="ms", low=0.0, high=1.0, live=True)
    count: int = parameter(2, "how many", low=1, high=9)
    on: bool = parameter(True, "whether")


MakeNode = Callable[..., Node]


@pytest.fixture
def make_node(ros_domain: int) -> Iterator[MakeNode]:
    context = Context()
    rclpy.init(context=context, args=[])
    nodes: list[Node] = []

    def make(**overrides: Any) -> Node:
        given = [Parameter(name, value=value) for name, value in overrides.items()]
        nodes.append(Node("tested", context=context, parameter_overrides=given))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


def test_defaults_and_given_values_are_read(make_node: MakeNode) -> None:
    assert declare(make_node(), Kind) == Kind()
    given = declare(make_node(name="b", names=["b", "a"], share=1.0, count=9, on=False, where="/here/there"), Kind)
    assert given == Kind(name="b", names=("b", "a"), share=1.0, count=9, on=False, where="/here/there")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"name": "c"}, "parameter name was given 'c'; choose one of a, b"),
        ({"names": ["a", "c"]}, "parameter names was given 'c'; choose among a, b"),
        ({"where": "a b"}, "parameter where was given 'a b', expected a namespace such as /ns"),
        ({"share": 2.0}, r"parameter share was given 2.0, expected a double in [0, 1]"),
        ({"share": float("nan")}, "parameter share"),
        ({"share": 2}, "parameter share was given 2.0, expected a double in [0, 1]"),
        ({"share": True}, "parameter share was given True, expected a double in [0, 1]"),
        ({"count": 1.0}, "parameter count was given 1.0, expected an integer in [1, 9]"),
        ({"count": 10}, "parameter count was given 10, expected an integer in [1, 9]"),
        ({"count": True}, "parameter count was given True, expected an integer"),
        ({"on": "yes"}, "parameter on was given 'yes', expected a bool"),
        ({"names": None}, "parameter names was given an empty list, expected a string array"),
        ({"share": None}, "parameter share was given an empty list, expected a double in [0, 1]"),
        ({"name": 5}, "parameter name was given 5, expected a string"),
    ],
)
def test_what_is_no_good_is_refused_in_one_sentence(make_node: MakeNode, given: dict[str, Any], said: str) -> None:
    with pytest.raises(StartError) as problem:
        declare(make_node(**given), Kind)
    assert said in str(problem.value)
    assert "\n" not in str(problem.value)


def test_every_parameter_is_described(make_node: MakeNode) -> None:
    node = make_node()
    declare(node, Kind)
    share = node.describe_parameter("share")
    assert "how much" in share.description and "ms" in share.description
    assert (share.floating_point_range[0].from_value, share.floating_point_range[0].to_value) == (0.0, 1.0)
    assert "Choices: a, b" in node.describe_parameter("name").description
    count = node.describe_parameter("count").integer_range[0]
    assert (count.from_value, count.to_value) == (1, 9)


def test_only_live_parameters_change_while_configured() -> None:
    def ask(configured: bool, **values: Any) -> str:
        changes = [Parameter(name, value=value) for name, value in values.items()]
        result = check_changes(Kind(), changes, configured=configured)
        assert result.successful == (not result.reason)
        return str(result.reason)

    assert ask(True, share=0.1) == ""
    assert ask(True, use_sim_time=True) == ""
    assert "count can only be set while the node is unconfigured" in ask(True, share=0.1, count=3)
    assert ask(True, count=2, names=["a"]) == "", "the value that it has is no change"
    assert ask(False, count=3, name="b") == ""
    assert "choose one of a, b" in ask(False, name="c")


def test_read_gives_what_has_been_set(make_node: MakeNode) -> None:
    node = make_node()
    declare(node, Kind)
    node.set_parameters([Parameter("names", value=["b"]), Parameter("count", value=4)])
    assert read(node, Kind) == Kind(names=("b",), count=4)


def test_an_integer_is_taken_where_a_double_is_expected(make_node: MakeNode) -> None:
    node = make_node(share=1)
    assert declare(node, Kind) == Kind(share=1.0)
    assert node.get_parameter("share").type_ == Parameter.Type.DOUBLE
    (result,) = node.set_parameters([Parameter("share", value=0)])
    assert result.successful and node.get_parameter("share").type_ == Parameter.Type.DOUBLE
    assert node.set_parameters_atomically([Parameter("share", value=1), Parameter("count", value=3)]).successful
    assert read(node, Kind) == Kind(share=1.0, count=3)


@pytest.mark.parametrize(("name", "value"), [("share", 2), ("share", True), ("count", 3.0), ("on", 1), ("path", 1)])
def test_no_other_type_is_taken_for_another(make_node: MakeNode, name: str, value: object) -> None:
    node = make_node()
    declare(node, Kind)
    (result,) = node.set_parameters([Parameter(name, value=value)])
    assert not result.successful and result.reason
    assert read(node, Kind) == Kind()


@pytest.mark.parametrize("value", ["Hall", "1hall", "the hall", "", "h" * 65])
def test_an_id_of_an_edge_that_is_none_is_refused_in_one_sentence(value: str) -> None:
    said = refusal(RobotParameters, "edges", ["gate", value])
    assert repr(value) in said and "the id of an edge" in said and "\n" not in said
    assert refusal(RobotParameters, "edges", ["gate", "any"]) == "" and refusal(RobotParameters, "edges", []) != ""


@pytest.mark.parametrize("value", ["left=0", "left=0.000", "left=-1", "left", "Left=1", "=2", "left=1000", "left=nan"])
def test_a_weight_that_is_none_is_refused_in_one_sentence(value: str) -> None:
    said = refusal(EdgeParameters, "robot_weights", ["right=2.0", value])
    assert repr(value) in said and "robot_id=weight" in said and "\n" not in said


def test_weights_are_read() -> None:
    assert refusal(EdgeParameters, "robot_weights", ["left=2.0", "right=0.5", "third=10"]) == ""
    assert parse_weights(("left=2.0", "right=0.5")) == {"left": 2.0, "right": 0.5}
    assert parse_weights(EdgeParameters().robot_weights) == {}


@pytest.mark.parametrize("kind", [RobotParameters, EdgeParameters])
def test_a_nodes_own_defaults_are_good_and_documented(kind: type[Any]) -> None:
    defaults = kind()
    rows = table(kind).splitlines()
    assert len(rows) == len(fields(kind)) + 2
    for field, row in zip(fields(kind), rows[2:], strict=True):
        assert refusal(kind, field.name, getattr(defaults, field.name)) == ""
        assert row.startswith(f"| `{field.name}` |")
        assert row.count(" | ") == 5
