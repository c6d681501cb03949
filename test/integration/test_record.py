# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recordings: the messages read back are those that were published, however the recorder ended."""

from __future__ import annotations

import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from mcap.exceptions import McapError
from mcap.reader import make_reader
from mcap.records import Message
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from support import Process, Processes
from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, LabelInfo, VisionClass
from watcher import Watcher, watching

from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.ros import qos

START_S = 60.0


@pytest.fixture
def watcher(processes: Processes) -> Iterator[Watcher]:
    with watching() as made:
        yield made


def started(processes: Processes, path: Path, *arguments: str) -> Process:
    recorder = processes.start("neurosurgeon", "record", path, *arguments, keep_signals=True)
    recorder.wait_for_output("records ", START_S)
    return recorder


def publish(watcher: Watcher, recorder: Process, number: int) -> list[PartitionDecision]:
    """Publish decisions that the recorder receives, and return them."""
    # A robot's rate gives the recorder time. These are published at once, so the publisher keeps all of them for it.
    profile = QoSProfile(depth=number, reliability=ReliabilityPolicy.RELIABLE)
    publisher = watcher.node.create_publisher(PartitionDecision, "robot_node/decision", profile)
    # The watcher itself also subscribes.
    watcher.until(lambda: publisher.get_subscription_count() >= 2, "the recorder's subscription")
    recorder.wait_for_output("hears /robot_node/decision", START_S)
    sent = []
    for sequence in range(1, number + 1):
        message = PartitionDecision(sequence=sequence, arm=f"pool{sequence}/fp32", total_delay=0.01 * sequence)
        message.robot_id, message.outcome = "robot_node", PartitionDecision.EDGE
        message.header.frame_id = "Straße"
        sent.append(message)
        publisher.publish(message)
        watcher.until(lambda sequence=sequence: len(watcher.decisions) >= sequence, f"decision {sequence}")
    await_receipt(publisher)
    return sent


def await_receipt(publisher: Publisher) -> None:
    """Wait until every reader has received what was published, whether it has taken it or not."""
    assert publisher.wait_for_all_acked(Duration(seconds=START_S))


def found(number: int) -> Detection2DArray:
    """Return detections that differ from all others."""
    message = Detection2DArray(detections=[Detection2D()] * 2)
    message.header.frame_id = f"camera_{number}"
    message.header.stamp.sec = number
    message.detections[0].bbox = BoundingBox2D(size_x=1.5 * number, size_y=0.1)
    return message


def read_all(path: Path) -> dict[str, list[Any]]:
    """Return the messages of each topic, deserialised with their types."""
    kinds = {kind.__name__: kind for kind in (PartitionDecision, Detection2DArray, LabelInfo, Image, DiagnosticArray)}
    read: dict[str, list[Any]] = {}
    with path.open("rb") as stream:
        for schema, channel, message in make_reader(stream).iter_messages():
            kind = kinds[schema.name.rpartition("/")[2]]
            read.setdefault(channel.topic, []).append(deserialize_message(message.data, kind))
    return read


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
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
    detections = watcher.node.create_publisher(Detection2DArray, "detections", qos.DETECTIONS)
    labels = watcher.node.create_publisher(LabelInfo, "label_info", qos.LABELS)
    recorder.wait_for_output("hears /detections", START_S)
    recorder.wait_for_output("hears /label_info", START_S)
    sent_labels = LabelInfo(class_map=[VisionClass(class_id=7, class_name="Fußgänger")], threshold=0.25)
    labels.publish(sent_labels)
    sent_detections = [found(sequence) for sequence in range(1, 10)]
    for message in sent_detections:
        detections.publish(message)
    await_receipt(detections)
    # The last messages are as safe as the first: the recorder is ended while it has many of them still to take.
    sent = publish(watcher, recorder, 600)
    assert recorder.end(number) == 0, recorder.output

    read = read_all(path)
    assert read["/robot_node/decision"] == sent
    assert read["/detections"] == sent_detections
    assert read["/label_info"] == [sent_labels]
    shown = {image.header.frame_id: image for image in watcher.images}
    assert read["/image_raw"]
    for image in read["/image_raw"]:
        assert image == shown[image.header.frame_id]

    with path.open("rb") as stream:
        reader = make_reader(stream)
        assert reader.get_header().profile == "ros2"
        schemas = {schema.name: schema for schema in reader.get_summary().schemas.values()}
        channels = {channel.topic: channel for channel in reader.get_summary().channels.values()}
    assert {channel.message_encoding for channel in channels.values()} == {"cdr"}
    assert {schema.encoding for schema in schemas.values()} == {"ros2msg"}
    assert {"/detections", "/label_info", "/diagnostics", "/image_raw"} <= set(channels)
    (latched,) = yaml.safe_load(channels["/label_info"].metadata["offered_qos_profiles"])
    assert (latched["durability"], latched["reliability"], latched["depth"]) == ("transient_local", "reliable", 1)
    assert channels["/detections"].metadata["topic_type_hash"].startswith("RIHS01_")

    # A reader that has only the file's schemas understands them, including dependencies.
    with path.open("rb") as stream:
        decoded = [
            message.decoded_message
            for message in make_reader(stream, decoder_factories=[DecoderFactory()]).iter_decoded_messages(
                topics=["/robot_node/decision"]
            )
        ]
    assert [message.arm for message in decoded] == [message.arm for message in sent]
    assert decoded[0].header.frame_id == "Straße"


@pytest.mark.full
def test_a_recording_of_two_robots_becomes_a_report_of_either_and_plays(
    processes: Processes, watcher: Watcher, tmp_path: Path
) -> None:
    path = tmp_path / "run.mcap"
    recorder = started(processes, path, "--robot", "/r1/robot_node", "--robot", "/r2/robot_node")
    sent = {}
    for space, number in (("r1", 3), ("r2", 5)):
        decisions = watcher.node.create_publisher(PartitionDecision, f"/{space}/robot_node/decision", qos.DECISION)
        detections = watcher.node.create_publisher(Detection2DArray, f"/{space}/detections", qos.DETECTIONS)
        recorder.wait_for_output(f"hears /{space}/robot_node/decision", START_S)
        recorder.wait_for_output(f"hears /{space}/detections", START_S)
        sent[space] = [found(100 * number + index) for index in range(number)]
        for index, message in enumerate(sent[space]):
            detections.publish(message)
            decisions.publish(
                PartitionDecision(
                    header=message.header, robot_id=f"{space}_robot_node", sequence=index + 1, arm="pool4/fp32",
                    outcome=PartitionDecision.EDGE, total_delay=0.1,
                )
            )  # fmt: skip
        await_receipt(detections)
        await_receipt(decisions)
    assert recorder.end() == 0, recorder.output
    read = read_all(path)
    assert {space: read[f"/{space}/detections"] for space in sent} == sent

    for space in sent:
        page = tmp_path / f"{space}.html"
        report = processes.start("neurosurgeon", "report", path, "--robot", f"/{space}/robot_node", "--output", page)
        assert report.popen.wait(START_S) == 0, report.output
        assert f"{len(sent[space])} frames" in report.output
        assert page.is_file()

    # Played under other names, as by `ros2 bag play --remap`, the messages are the same.
    heard: list[Detection2DArray] = []
    watcher.node.create_subscription(Detection2DArray, "/played/detections", heard.append, qos.DETECTIONS)
    player = watcher.node.create_publisher(Detection2DArray, "/played/detections", qos.DETECTIONS)
    watcher.until(lambda: player.get_subscription_count() == 1, "a listener")
    with path.open("rb") as stream:
        for number, (_, _, message) in enumerate(make_reader(stream).iter_messages(topics=["/r2/detections"]), start=1):
            player.publish(message.data)
            watcher.until(lambda number=number: len(heard) == number, f"message {number}")
    assert heard == sent["r2"]


def test_a_killed_recorder_leaves_readable_chunks(processes: Processes, watcher: Watcher, tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    recorder = started(processes, path)
    # Enough for several chunks.
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


def test_a_name_that_is_none_is_said_and_leaves_no_file(processes: Processes, tmp_path: Path) -> None:
    recorder = processes.start("neurosurgeon", "record", tmp_path / "run.mcap", "--robot", "/a b")
    assert recorder.popen.wait(START_S) == 1
    assert "/a b/decision cannot be recorded" in recorder.output
    assert "Traceback" not in recorder.output
    assert not (tmp_path / "run.mcap").exists()


def test_a_file_that_is_there_is_kept(processes: Processes, tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    path.write_bytes(b"precious")
    recorder = processes.start("neurosurgeon", "record", path)
    recorder.popen.wait(START_S)

    assert recorder.popen.returncode == 2
    assert "is there already" in recorder.output
    assert path.read_bytes() == b"precious"
