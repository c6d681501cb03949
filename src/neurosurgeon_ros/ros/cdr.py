# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Check the bytes of a message before the middleware deserializes them.

The middleware allocates memory for every entry that a sequence claims to have, as long as one byte is left for each.
Eight megabytes that claim eight million tensors cost two gigabytes and ten seconds before they are rejected. This
module checks every count and length against its bound and against the remaining bytes, before memory is allocated.

Messages travel as plain CDR, version 1: see section 7.4 of the DDS-XTypes specification, and REP-2011 for types.
"""

from __future__ import annotations

import importlib
import struct
from dataclasses import dataclass
from typing import Any, Protocol

from rosidl_parser.definition import (
    AbstractNestedType,
    AbstractSequence,
    AbstractString,
    Array,
    BasicType,
    BoundedSequence,
    BoundedString,
    NamespacedType,
)

#: Maximum number of structures in all sequences of one message together. A message with more is rejected.
MOST_STRUCTURES = 4096

#: Maximum number of bytes of a UTF-8 character.
_CHARACTER = 4

_BIG, _LITTLE = struct.Struct(">I"), struct.Struct("<I")

# Plain CDR, big- and little-endian. The other encodings that the middleware accepts have another layout.
_NUMBERS = {b"\x00\x00": _BIG, b"\x00\x01": _LITTLE}

_SIZES = {
    **dict.fromkeys(("boolean", "octet", "char", "uint8", "int8"), 1),
    **dict.fromkeys(("uint16", "int16"), 2),
    **dict.fromkeys(("uint32", "int32", "float"), 4),
    **dict.fromkeys(("uint64", "int64", "double"), 8),
}


class Malformed(ValueError):
    """
    Bytes that are not a message of the expected type. The text is a predicate; its subject is the message.

    :ivar too_long: whether a bound is exceeded.
    """

    def __init__(self, text: str, *, too_long: bool = False) -> None:
        super().__init__(text)
        self.too_long = too_long


def walk(kind: type[Any], data: bytes | bytearray | memoryview) -> None:
    """
    Walk over the bytes of a message without deserializing them.

    :param kind: the expected type of the message.
    :raises Malformed: if the bytes end too early, or a count exceeds its bound, the remaining bytes, or
        :data:`MOST_STRUCTURES`.
    """
    place = _begin(data)
    for step in _steps(kind):
        step.go(place)


def without_last(kind: type[Any], data: bytes | bytearray | memoryview) -> tuple[bytes, memoryview]:
    """
    Split off the last field of a message, a sequence of bytes, so that it need not be copied.

    :param kind: the expected type of the message.
    :returns: the bytes of the same message with that sequence empty; and a view of the sequence.
    :raises Malformed: as :func:`walk` does.
    """
    place = _begin(data)
    *steps, last = _steps(kind)
    for step in steps:
        step.go(place)
    count_at = 4 + -(-place.at // 4) * 4
    last.go(place)
    view = memoryview(data)
    return bytes(view[:count_at]) + bytes(4), view[count_at + 4 : 4 + place.at]


def _begin(data: bytes | bytearray | memoryview) -> _Place:
    """Return the place after the header of a message; raises :class:`Malformed` if it does not announce plain CDR."""
    view = memoryview(data)
    number = _NUMBERS.get(bytes(view[:2])) if len(view) >= 4 else None
    if number is None:
        raise Malformed(f"begins with {bytes(view[:4]).hex()!r}, which announces no plain CDR")
    return _Place(view[4:], number)


class _Place:
    """The position of the walk, in bytes from the end of the header. Alignment also counts from there."""

    __slots__ = ("at", "data", "end", "number", "structures")

    def __init__(self, data: memoryview, number: struct.Struct) -> None:
        self.data = data
        self.number = number
        self.at = 0
        self.end = len(data)
        self.structures = 0

    def skip(self, size: int, field: str) -> None:
        """Skip a number of bytes."""
        if size > self.end - self.at:
            raise Malformed(f"ends within {field}")
        self.at += size

    def count(self, field: str) -> int:
        """Read a count of entries or bytes."""
        begin = -(-self.at // 4) * 4
        self.skip(begin + 4 - self.at, field)
        counted: int = self.number.unpack_from(self.data, begin)[0]
        return counted


class _Step(Protocol):
    """One or more consecutive fields."""

    def go(self, place: _Place) -> None:
        """Skip the fields."""


@dataclass(frozen=True, slots=True)
class _Fixed:
    """
    Numbers that every message of the type contains.

    :param lengths: bytes from the start to the end of the numbers, padding included, for a start 0 to 7 bytes after a
        multiple of 8.
    """

    field: str
    lengths: tuple[int, ...]

    def go(self, place: _Place) -> None:
        place.skip(self.lengths[place.at % 8], self.field)


@dataclass(frozen=True, slots=True)
class _Text:
    """
    A string.

    :param bound: maximum number of bytes, including the terminating zero; None for any number.
    """

    field: str
    bound: int | None

    def go(self, place: _Place) -> None:
        size = place.count(self.field)
        if self.bound is not None and size > self.bound:
            raise Malformed(f"has {size} bytes in {self.field}, at most {self.bound} are allowed", too_long=True)
        place.skip(size, self.field)


@dataclass(frozen=True, slots=True)
class _Many:
    """
    A sequence.

    :param bound: maximum number of entries; None for any number.
    :param size: bytes of an entry that is a number; 0 for other entries.
    :param steps: steps over an entry that is not a number.
    :param least: minimum number of bytes of such an entry.
    :param structures: whether the entries are structures.
    """

    field: str
    bound: int | None
    size: int = 0
    steps: tuple[_Step, ...] = ()
    least: int = 1
    structures: bool = False

    def go(self, place: _Place) -> None:
        count = place.count(self.field)
        if self.bound is not None and count > self.bound:
            raise Malformed(f"has {count} entries in {self.field}, at most {self.bound} are allowed", too_long=True)
        if count == 0:
            return
        if self.size:
            place.skip(-place.at % self.size + count * self.size, self.field)
            return
        left = place.end - place.at
        if count * self.least > left:
            raise Malformed(f"claims {count} entries in {self.field}, but {left} bytes are left")
        if self.structures:
            place.structures += count
            if place.structures > MOST_STRUCTURES:
                raise Malformed(
                    f"has {place.structures} entries up to {self.field}, at most {MOST_STRUCTURES} are accepted",
                    too_long=True,
                )
        for _ in range(count):
            for step in self.steps:
                step.go(place)


# A field's name, and either the size and count of its numbers, or the step over the field.
_Part = tuple[str, tuple[int, int] | _Step]


# Filled once for each message type.
_STEPS: dict[type[Any], tuple[_Step, ...]] = {}


def _steps(kind: type[Any]) -> tuple[_Step, ...]:
    """Return the steps over a type."""
    if kind not in _STEPS:
        _STEPS[kind] = _read_steps(kind)
    return _STEPS[kind]


def _read_steps(kind: type[Any]) -> tuple[_Step, ...]:
    """Return the steps over a type; adjacent numbers share one step."""
    steps: list[_Step] = []
    numbers: list[tuple[int, int]] = []
    began = ""

    def close() -> None:
        nonlocal began
        if numbers:
            steps.append(_Fixed(began, tuple(_length(numbers, start) for start in range(8))))
            numbers.clear()
        began = ""

    for name, part in _parts(kind):
        if isinstance(part, tuple):
            began = began or name
            numbers.append(part)
        else:
            close()
            steps.append(part)
    close()
    return tuple(steps)


def _parts(kind: type[Any], prefix: str = "") -> list[_Part]:
    """Return a type's fields; the fields of a nested structure replace the structure."""
    parts: list[_Part] = []
    for plain, declared in zip(kind.get_fields_and_field_types(), kind.SLOT_TYPES, strict=True):
        name = f"{prefix}{plain}"
        if isinstance(declared, AbstractSequence):
            parts.append((name, _sequence(name, declared)))
            continue
        entry, times = (declared.value_type, declared.size) if isinstance(declared, Array) else (declared, 1)
        if isinstance(entry, BasicType):
            parts.append((name, (_SIZES[entry.typename], times)))
        else:
            is_text = isinstance(entry, AbstractString)
            parts += times * ([(name, _text(name, entry))] if is_text else _parts(_class_of(entry), f"{name}."))
    return parts


def _sequence(name: str, declared: AbstractNestedType) -> _Many:
    entry = declared.value_type
    bound = declared.maximum_size if isinstance(declared, BoundedSequence) else None
    if isinstance(entry, BasicType):
        return _Many(name, bound, size=_SIZES[entry.typename])
    if isinstance(entry, AbstractString):
        return _Many(name, bound, steps=(_text(name, entry),), least=4)
    steps = _steps(_class_of(entry))
    return _Many(name, bound, steps=steps, least=max(1, sum(map(_least, steps))), structures=True)


def _text(name: str, declared: AbstractString) -> _Text:
    bounded = isinstance(declared, BoundedString)
    return _Text(name, _CHARACTER * declared.maximum_size + 1 if bounded else None)


def _class_of(declared: NamespacedType) -> type[Any]:
    found: type[Any] = getattr(importlib.import_module(".".join(declared.namespaces)), declared.name)
    return found


def _length(numbers: list[tuple[int, int]], start: int) -> int:
    """Return how many bytes numbers take when they begin at `start`."""
    at = start
    for size, times in numbers:
        at += -at % size + times * size
    return at - start


def _least(step: _Step) -> int:
    """Return the minimum number of bytes that a step skips; its padding may be empty."""
    return min(step.lengths) if isinstance(step, _Fixed) else 4
