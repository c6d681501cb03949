# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the decisions of a recording, including one that was cut off or damaged."""

from __future__ import annotations

from pathlib import Path

from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rclpy.serialization import deserialize_message

from neurosurgeon_ros.diagnostics.monitor import to_seen_decision
from neurosurgeon_ros.diagnostics.records import SeenDecision
from neurosurgeon_ros.msg import PartitionDecision

_TYPE = "neurosurgeon_ros/msg/PartitionDecision"


def read_recording(path: Path) -> list[SeenDecision]:
    """
    Read all decisions, in order; from a file that was cut off or damaged, the decisions before that point.

    :raises OSError: if the file cannot be read.
    """
    schemas: dict[int, str] = {}
    of_decisions: set[int] = set()
    decisions: list[SeenDecision] = []
    with path.open("rb") as stream:
        try:
            for record in StreamReader(stream).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record.name
                elif isinstance(record, Channel) and schemas.get(record.schema_id) == _TYPE:
                    of_decisions.add(record.id)
                elif isinstance(record, Message) and record.channel_id in of_decisions:
                    decisions.append(to_seen_decision(deserialize_message(record.data, PartitionDecision)))
        except Exception as problem:  # a damaged file may lead to any exception
            if isinstance(problem, OSError):
                raise
    return decisions
