# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Message definitions as recordings carry them: the .msg text, followed by that of every type within it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

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
    Give a type's definition in the encoding `ros2msg`.

    :param type_name: such as std_msgs/msg/Header.
    :raises LookupError: if its package is not installed.
    :raises OSError: if its .msg file is not there.
    """
    texts: dict[str, str] = {}
    waiting = [type_name]
    while waiting:
        name = waiting.pop(0)
        if name in texts:
            continue
        texts[name] = _file(name, "msg").read_text(encoding="utf-8")
        waiting += _types_within(texts[name], name.partition("/")[0])
    first, *others = texts
    parts = [texts[first]]
    parts += [f"{_SEPARATOR}\nMSG: {name.replace('/msg/', '/')}\n{texts[name]}" for name in others]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def type_hash(type_name: str) -> str:
    """Give a type's hash (RIHS01_…); empty where its package came without type descriptions."""
    path = _file(type_name, "json")
    if not path.is_file():
        return ""
    hashes = json.loads(path.read_text(encoding="utf-8"))["type_hashes"]
    return next((str(entry["hash_string"]) for entry in hashes if entry["type_name"] == type_name), "")


def _types_within(text: str, package: str) -> list[str]:
    found = []
    for line in text.splitlines():
        match = _FIELD.match(line.partition("#")[0])
        if match is None or match[1] in _PRIMITIVES:
            continue
        parts = match[1].split("/")
        found.append(f"{parts[0] if len(parts) > 1 else package}/msg/{parts[-1]}")
    return found


def _file(type_name: str, suffix: str) -> Path:
    package, _, name = type_name.partition("/msg/")
    return Path(get_package_share_directory(package)) / "msg" / f"{name}.{suffix}"
