# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: what was published is what is read back, however the recorder ended."""

from __future__ import annotations

import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from support import Process, Processes
from watcher import Watcher, watching

from neurosurgeon_ros.msg import PartitionDecision

START_S = 40.0


@pytest.fixture
def watcher(processes: Processes) -> Iterator[Watcher]:
    with watching() as made:
        yield made


def started(processes: Processes, path: Path, *arguments: str) -> Process:
    recorder = processes.start("neurosurgeon", "record", path, *arguments, keep_signals=True)
    recorder.wait_for_output("records ", START_S)
    return recorder


def publish(watcher: Watcher, recorder: Process, number: int) -> list[PartitionDecision]:
    """Publish decisions that the recorder hears, and give them."""
    # A robot's pace leaves the recorder time; these come at once, so the publisher keeps all of them for it.
    profile = QoSProfile(depth=number, reliability=ReliabilityPolicy.RELIABLE)
    publisher = watcher.node.create_publisher(PartitionDecision, "robot_node/decision", profile)
    # The watcher itself listens, too.
    watcher.until(lambda: publisher.get_subscription_count() >= 2, "the recorder's subscription")
    recorder.wait_for_output("hears /robot_node/decision", START_S)
    sent = []
    for sequence in range(1, number + 1):
        message = PartitionDecision(sequence=sequence, arm=f"pool{sequence}/fp32", total_delay=0.01 * sequence)
        message.header.frame_id = "Straße"
        sent.append(message)
        publisher.publish(message)
        watcher.until(lambda sequence=sequence: len(watcher.decisions) >= sequence, f"decision {sequence}")
    return sent


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_published_is_read_back(
    processes: Processes, watcher: Watcher, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "run.mcap"
    recorder = started(processes, path, "--images", "raw")
    recorder.wait_for_output("hears /image_raw", START_S)

    def image_is_there() -> bool:
        watcher.show()
        return path.stat().st_size > 100_000

    watcher.until(image_is_there, "an image in the file")
    size = path.stat().st_size
    # More than two chunks of decisions, of which those of the first are in the file before the end is asked for.
    sent = publish(watcher, recorder, 600)
    watcher.until(lambda: path.stat().st_size > size, "decisions in the file")
    assert recorder.end(number) == 0, recorder.output

    with path.open("rb") as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == "ros2"
        read = [
            (channel, message.data) for _, channel, message in reader.iter_messages(topics=["/robot_node/decision"])
        ]
        schemas = {schema.name: schema for schema in reader.get_summary().schemas.values()}
        channels = {channel.topic: channel for channel in reader.get_summary().channels.values()}
    decisions = [deserialize_message(data, PartitionDecision) for _, data in read]
    assert len(decisions) > 100
    assert decisions == sent[: len(decisions)]
    assert {channel.message_encoding for channel in channels.values()} == {"cdr"}
    assert {schema.encoding for schema in schemas.values()} == {"ros2msg"}
    assert {"/detections", "/label_info", "/diagnostics", "/image_raw"} <= set(channels)
    (labels,) = yaml.safe_load(channels["/label_info"].metadata["offered_qos_profiles"])
    assert (labels["durability"], labels["reliability"], labels["depth"]) == ("transient_local", "reliable", 1)
    assert channels["/detections"].metadata["topic_type_hash"].startswith("RIHS01_")

    # A reader that knows nothing but the file's schemas understands them, dependencies included.
    with path.open("rb") as stream:
        decoded = [
            message.decoded_message
            for message in make_reader(stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages(
                topics=["/robot_node/decision"]
            )
        ]
    assert [message.arm for message in decoded] == [message.arm for message in decisions]
    assert decoded[0].header.frame_id == "Straße"


def test_a_killed_recorder_leaves_readable_chunks(processes: Processes, watcher: Watcher, tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    recorder = started(processes, path)
    # Several chunks' worth.
    publish(watcher, recorder, 1000)
    watcher.until(lambda: path.stat().st_size > 8192, "chunks in the file")
    recorder.end(signal.SIGKILL)

    sequences = []
    with path.open("rb") as stream:
        try:
            for record in StreamReader(stream).records:
                if isinstance(record, Message):
                    sequences.append(deserialize_message(record.data, PartitionDecision).sequence)
        except (McapError, EOFError, struct.error):  # the end of the file is cut off, which is the point
            pass
    assert sequences
    assert sequences == list(range(1, len(sequences) + 1))


def test_a_file_that_is_there_is_kept(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    path.write_bytes(b"precious")
    recorder = processes.start("neurosurgeon", "record", path)
    recorder.popen.wait(START_S)

    assert recorder.popen.returncode == 2
    assert "is there already" in recorder.output
    assert path.read_bytes() == b"precious"
