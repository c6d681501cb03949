# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Message definitions as recordings store them: the .msg text, followed by the text of every nested type."""

from __future__ import annotations

import re

from neurosurgeon_ros.ros.type_hashes import type_file

_SEPARATOR = "=" * 80
_PRIMITIVES = frozenset(
    (
        *("bool", "byte", "char", "float32", "float64", "string", "wstring"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
)
# The type at the start of a field's line, without its bounds: `string<=64[<=8] name` gives string.
_FIELD = re.compile(r"\s*([A-Za-z][A-Za-z0-9_/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]")


def schema_text(type_name: str) -> str:
    """
    Return a type's definition in the encoding `ros2msg`.

    :param type_name: name of the type, such as std_msgs/msg/Header.
    :raises LookupError: if the type's package is not installed.
    :raises OSError: if the type's .msg file does not exist.
    """
    texts: dict[str, str] = {}
    waiting = [type_name]
    while waiting:
        name = waiting.pop(0)
        if name in texts:
            continue
        texts[name] = type_file(name, "msg").read_text(encoding="utf-8")
        waiting += _types_within(texts[name], name.partition("/")[0])
    first, *others = texts
    parts = [texts[first]]
    parts += [f"{_SEPARATOR}\nMSG: {name.replace('/msg/', '/')}\n{texts[name]}" for name in others]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _types_within(text: str, package: str) -> list[str]:
    found = []
    for line in text.splitlines():
        match = _FIELD.match(line.partition("#")[0])
        if match is None or match[1] in _PRIMITIVES:
            continue
        parts = match[1].split("/")
        found.append(f"{parts[0] if len(parts) > 1 else package}/msg/{parts[-1]}")
    return found
