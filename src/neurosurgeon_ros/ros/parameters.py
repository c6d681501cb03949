# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Typed and described parameters of every node.

A node's parameters are the fields of a frozen dataclass, each made by :func:`parameter`. :func:`declare` declares them
on a node and reads their values; :func:`table` makes their table for the documentation.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import math
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, SetParametersResult
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    InvalidTopicNameException,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.validate_topic_name import validate_topic_name

from neurosurgeon_ros.ros.process.process import StartError

P = TypeVar("P")

# Prefix of rclpy's parameters that override a topic's quality of service.
_OF_QOS = "qos_overrides."

# Number of choices that a short table shows.
FIRST_CHOICES = 10


@dataclasses.dataclass(frozen=True, slots=True)
class Meaning:
    """
    The description of a parameter, beyond its type and default.

    :param low: minimum, for numbers.
    :param high: maximum, for numbers.
    :param live: whether it can change while the node is configured.
    :param choices: the allowed values of a string, or of each string in a list; empty: any.
    :param otherwise: allowed values of a string besides its choices: a regular expression, and its meaning in words.
    :param namespace: whether the string is a prefix of topic names.
    """

    description: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    live: bool = False
    choices: tuple[str, ...] = ()
    otherwise: tuple[str, str] | None = None
    namespace: bool = False


def parameter(
    default: Any,
    description: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    live: bool = False,
    choices: Sequence[str] = (),
    otherwise: tuple[str, str] | None = None,
    namespace: bool = False,
) -> Any:
    """Make a field of a parameter dataclass; see :class:`Meaning`."""
    meaning = Meaning(description, unit, low, high, live, tuple(choices), otherwise, namespace)
    if isinstance(default, tuple):
        return dataclasses.field(default_factory=lambda: default, metadata={"meaning": meaning})
    return dataclasses.field(default=default, metadata={"meaning": meaning})


def declare(node: Node, kind: type[P]) -> P:
    """
    Declare every field of a parameter dataclass on a node, and read the values.

    An integer is taken where a double is expected, as an override and whenever a parameter is set.

    :raises StartError: if a given value has the wrong type or is out of range.
    """
    overrides = with_doubles(kind, node._parameter_overrides.values())
    node._parameter_overrides |= {override.name: override for override in overrides}
    node.add_pre_set_parameters_callback(functools.partial(with_doubles, kind))
    for field in _fields(kind):
        override = node._parameter_overrides.get(field.name)
        if override is not None and override.type_ == Parameter.Type.NOT_SET:  # an empty list of a parameter file
            raise StartError(f"parameter {field.name} was given an empty list, expected {_expected(field)}")
        try:
            node.declare_parameter(field.name, _plain(_default(field)), _descriptor(field))
        except (InvalidParameterTypeException, InvalidParameterValueException):
            given = next((p.value for n, p in node._parameter_overrides.items() if n == field.name), None)
            raise StartError(f"parameter {field.name} was given {given!r}, expected {_expected(field)}") from None
    values = read(node, kind)
    for field in _fields(kind):
        reason = refusal(kind, field.name, getattr(values, field.name))
        if reason:
            raise StartError(reason)
    return values


def with_doubles(kind: type[Any], parameters: Iterable[Parameter]) -> list[Parameter]:
    """Return parameters of a node, with a double for each integer that is given where a double is expected."""
    doubles = {field.name for field in _fields(kind) if isinstance(_default(field), float)}
    return [
        Parameter(one.name, value=float(one.value))
        if one.name in doubles and one.type_ == Parameter.Type.INTEGER
        else one
        for one in parameters
    ]


def unknown_names(node: Node) -> list[str]:
    """
    Return a warning for each parameter that was given to a node and that it does not have; call after :func:`declare`.

    :returns: one sentence for each, with the name that was probably meant.
    """
    own = sorted(name for name in node._parameters if not name.startswith(_OF_QOS))
    sentences = []
    for name in node._parameter_overrides:
        if name in own or name.startswith(_OF_QOS):  # these are declared with their topic
            continue
        meant = difflib.get_close_matches(name, own, n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"choose among {', '.join(own)}"
        sentences.append(f"parameter {name} is unknown and does nothing: {hint}")
    return sentences


def read(node: Node, kind: type[P]) -> P:
    """Read the parameters of a node."""
    return kind(**{field.name: _typed(field, node.get_parameter(field.name).value) for field in _fields(kind)})


def check_changes(current: Any, changes: Sequence[Parameter], *, configured: bool) -> SetParametersResult:
    """
    Check whether all requested parameters can be set now; if not, the result gives the reason in one sentence.

    :param current: the current parameters; setting a parameter to its current value is not a change.
    :param configured: whether the node is configured; if so, only live parameters can change.
    """
    kind = type(current)
    fields = {field.name: field for field in _fields(kind)}
    for change in changes:
        field = fields.get(change.name)
        if field is None or change.value is None or _typed(field, change.value) == getattr(current, field.name):
            continue  # a parameter of rclpy itself, or one of the wrong type, which rclpy rejects
        if configured and not field.metadata["meaning"].live:
            return SetParametersResult(
                successful=False,
                reason=f"{change.name} can only be set while the node is unconfigured: clean it up first",
            )
        reason = refusal(kind, change.name, change.value)
        if reason:
            return SetParametersResult(successful=False, reason=reason)
    return SetParametersResult(successful=True)


def changed(current: P, changes: Sequence[Parameter]) -> P:
    """Return the parameters after changes that :func:`check_changes` has accepted."""
    fields = {field.name: field for field in _fields(type(current))}
    values = {change.name: _typed(fields[change.name], change.value) for change in changes if change.name in fields}
    return dataclasses.replace(current, **values)  # type: ignore[type-var]


def refusal(kind: type[Any], name: str, value: Any) -> str:
    """Return why a value of the right type and range is not valid; empty if it is valid."""
    field = next(field for field in _fields(kind) if field.name == name)
    meaning: Meaning = field.metadata["meaning"]
    choices, otherwise = meaning.choices, meaning.otherwise
    if choices:
        given = [value] if isinstance(value, str) else list(value)
        unknown = [one for one in given if one not in choices and not (otherwise and re.fullmatch(otherwise[0], one))]
        if unknown or not given:
            what = repr(unknown[0]) if unknown else "nothing"
            return f"parameter {name} was given {what}; choose {_one_of(field)} {_named(meaning)}"
    if meaning.namespace and not _is_namespace(value):
        return f"parameter {name} was given {value!r}, expected a namespace such as {_default(field)}"
    if isinstance(value, float) and math.isnan(value):
        return f"parameter {name} is not a number, expected {_expected(field)}"
    return ""


def table(kind: type[Any], names: Sequence[str] = ()) -> str:
    """
    Make the Markdown table of a node's parameters.

    :param names: names to show, in this order, with only the first of many choices; empty: all names and all choices.
    """
    most = FIRST_CHOICES if names else sys.maxsize
    lines = ["| parameter | type | default | range | live | meaning |", "| --- | --- | --- | --- | --- | --- |"]
    fields = {field.name: field for field in _fields(kind)}
    for field in (fields[name] for name in names or fields):
        meaning: Meaning = field.metadata["meaning"]
        default = _plain(_default(field))
        shown = f"`{default}`" if default not in ("", []) else "empty"
        unit = f" {meaning.unit}" if meaning.unit and default != "" else ""
        live = "yes" if meaning.live else "no"
        cells = (f"`{field.name}`", _type_name(default), shown + unit, _range(meaning, most), live, meaning.description)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _is_namespace(text: str) -> bool:
    try:
        validate_topic_name(f"{text}/topic")
    except InvalidTopicNameException:
        return False
    return True


def _fields(kind: type[Any]) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(kind) if "meaning" in field.metadata]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    return tuple(value) if isinstance(_default(field), tuple) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _descriptor(field: dataclasses.Field[Any]) -> ParameterDescriptor:
    meaning: Meaning = field.metadata["meaning"]
    unit = f" [{meaning.unit}]" if meaning.unit else ""
    choices = f" Choices: {_named(meaning)}." if meaning.choices else ""
    descriptor = ParameterDescriptor(name=field.name, description=f"{meaning.description}{unit}.{choices}")
    default = _default(field)
    if meaning.low is not None and meaning.high is not None:
        if isinstance(default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(meaning.low), to_value=int(meaning.high), step=1)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=meaning.low, to_value=meaning.high)]
    return descriptor


def _expected(field: dataclasses.Field[Any]) -> str:
    meaning: Meaning = field.metadata["meaning"]
    limits = f" in [{meaning.low:g}, {meaning.high:g}]" if meaning.low is not None and meaning.high is not None else ""
    name = _type_name(_plain(_default(field)))
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}{limits}"


def _named(meaning: Meaning, quote: str = "") -> str:
    """Return the allowed values as text."""
    names = ", ".join(f"{quote}{choice}{quote}" for choice in meaning.choices)
    return f"{names}, or {meaning.otherwise[1]}" if meaning.otherwise else names


def _one_of(field: dataclasses.Field[Any]) -> str:
    return "one of" if isinstance(_default(field), str) else "among"


def _range(meaning: Meaning, most: int) -> str:
    if len(meaning.choices) > most:
        first = ", ".join(f"`{choice}`" for choice in meaning.choices[:most])
        return f"{first} and {len(meaning.choices) - most} more"
    if meaning.choices:
        return _named(meaning, "`")
    if meaning.low is not None and meaning.high is not None:
        return f"{meaning.low:g} to {meaning.high:g}"
    return ""


def _type_name(default: Any) -> str:
    names = {bool: "bool", int: "integer", float: "double", str: "string", list: "string array"}
    return names[type(default)]
