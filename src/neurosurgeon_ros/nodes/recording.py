# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reads the decisions of a recording back, also of one that was cut off."""

from __future__ import annotations

import struct
from pathlib import Path

from mcap.exceptions import McapError
from mcap.records import Channel, Message, Schema
from mcap.stream_reader import StreamReader
from rclpy.serialization import deserialize_message

from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.nodes.monitor import to_seen_decision
from neurosurgeon_ros.nodes.records import SeenDecision

_TYPE = "neurosurgeon_ros/msg/PartitionDecision"


def read_recording(path: Path) -> list[SeenDecision]:
    """
    Read all decisions, in order; of a file that was cut off, those of its whole chunks.

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
        except (McapError, EOFError, ValueError, struct.error, RuntimeError):
            pass  # cut off: what is whole was read
    return decisions
