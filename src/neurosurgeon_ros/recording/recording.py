# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the decisions of a recording, including one that was cut off or damaged."""

from __future__ import annotations

import re
from pathlib import Path

from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rclpy.serialization import deserialize_message

from neurosurgeon_ros.diagnostics.monitor import to_seen_decision
from neurosurgeon_ros.diagnostics.records import SeenDecision
from neurosurgeon_ros.msg import PartitionDecision

_TYPE = "neurosurgeon_ros/msg/PartitionDecision"

# The last field, which older recordings do not have, and its serialized value if it is empty.
_LAST_FIELD, _EMPTY = re.compile(rb"^string<=64 edge\b", re.MULTILINE), b"\x01\0\0\0\0"


def read_recording(path: Path) -> list[SeenDecision]:
    """
    Read all decisions, in order; from a file that was cut off or damaged, the decisions before that point.

    :raises OSError: if the file cannot be read.
    """
    schemas: dict[int, Schema] = {}
    endings: dict[int, bytes] = {}
    decisions: list[SeenDecision] = []
    with path.open("rb") as stream:
        try:
            for record in StreamReader(stream).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel) and _is_of_decisions(schemas.get(record.schema_id)):
                    text = schemas[record.schema_id].data
                    endings[record.id] = _EMPTY if text and not _LAST_FIELD.search(text) else b""
                elif isinstance(record, Message) and record.channel_id in endings:
                    data = record.data + endings[record.channel_id]
                    decisions.append(to_seen_decision(deserialize_message(data, PartitionDecision)))
        except Exception as problem:  # a damaged file may lead to any exception
            if isinstance(problem, OSError):
                raise
    return decisions


def _is_of_decisions(schema: Schema | None) -> bool:
    return schema is not None and schema.name == _TYPE
