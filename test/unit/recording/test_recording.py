# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""From a damaged recording, everything before the damage is read."""

from __future__ import annotations

from pathlib import Path

from mcap.writer import Writer
from rclpy.serialization import serialize_message

from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.recording.recording import read_recording
from neurosurgeon_ros.recording.schemas import schema_text


def test_a_chunk_that_cannot_be_decompressed_ends_what_is_read(tmp_path: Path) -> None:
    """Found by fuzzing: Zstandard's error reached the caller."""
    path = tmp_path / "a.mcap"
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=400)
        writer.start()
        schema = writer.register_schema("neurosurgeon_ros/msg/PartitionDecision", "ros2msg", b"")
        channel = writer.register_channel("/decision", "cdr", schema)
        for number in range(6):
            data = serialize_message(PartitionDecision(sequence=number, circuit=number % 3))
            writer.add_message(channel, log_time=number, data=data, publish_time=number)
        writer.finish()
    good = path.read_bytes()
    assert [decision.sequence for decision in read_recording(path)] == [0, 1, 2, 3, 4, 5]
    magic = b"\x28\xb5\x2f\xfd"  # of a Zstandard frame
    second = good.index(magic, good.index(magic) + 1)
    path.write_bytes(good[: second + 12] + bytes(20) + good[second + 32 :])
    assert 0 < len(read_recording(path)) < 6


def test_decisions_that_do_not_say_which_edge_are_read(tmp_path: Path) -> None:
    """Older recordings have messages without the last field, and say so in their schema."""
    message = PartitionDecision(sequence=3, arm="pool4/fp32", frames_rejected=7)
    text = schema_text("neurosurgeon_ros/msg/PartitionDecision")
    old_text = "\n".join(line for line in text.splitlines() if not line.startswith("string<=64 edge "))
    assert old_text.count("\n") == text.rstrip().count("\n") - 1
    whole = serialize_message(message)
    for given, data in ((old_text, whole[:-5]), (text, serialize_message(PartitionDecision(sequence=3, edge="b")))):
        path = tmp_path / "a.mcap"
        with path.open("wb") as stream:
            writer = Writer(stream)
            writer.start()
            schema = writer.register_schema("neurosurgeon_ros/msg/PartitionDecision", "ros2msg", given.encode())
            channel = writer.register_channel("/decision", "cdr", schema)
            writer.add_message(channel, log_time=0, data=data, publish_time=0)
            writer.finish()
        (decision,) = read_recording(path)
        assert decision.sequence == 3
        assert (decision.edge, decision.frames_rejected) == (("", 7) if given is old_text else ("b", 0))
