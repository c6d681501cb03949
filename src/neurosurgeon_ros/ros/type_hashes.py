# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Names and hashes (REP-2011) of message types, as generated when their packages were built."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory


def type_name(kind: type[Any]) -> str:
    """
    Return a message's name as the graph shows it.

    >>> from std_msgs.msg import Header
    >>> type_name(Header)
    'std_msgs/msg/Header'
    """
    package, folder = kind.__module__.split(".")[:2]
    return f"{package}/{folder}/{kind.__name__}"


def type_file(name: str, suffix: str) -> Path:
    """
    Return the path of a file of a message type; the file need not exist.

    :param name: name of the type, such as std_msgs/msg/Header.
    :param suffix: ``msg`` or ``json``.
    :raises LookupError: if the type's package is not installed.
    """
    package, folder, plain = name.split("/")
    return Path(get_package_share_directory(package)) / folder / f"{plain}.{suffix}"


@functools.cache
def type_hash(name: str) -> str:
    """
    Return a type's hash (RIHS01_…); empty if its package does not provide it.

    :param name: name of the type, such as std_msgs/msg/Header.
    :raises LookupError: if the type's package is not installed.
    """
    file = type_file(name, "json")
    try:
        hashes = json.loads(file.read_text(encoding="utf-8"))["type_hashes"]
    except (OSError, ValueError, KeyError):
        return ""
    return str(next((one["hash_string"] for one in hashes if one["type_name"] == name), ""))
