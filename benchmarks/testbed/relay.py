# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The emulated link of the testbed: republishes a topic after the time that a link of the current rate would take.

``python -m testbed.relay '{…}'``; the argument is :class:`RelayTask` as JSON. Each line of its input is a rate in
Mbit/s. For each empty line, it prints how many bytes it has forwarded.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from dataclasses import dataclass

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image

from neurosurgeon_ros.msg import PartialInference
from neurosurgeon_ros.nodes.wire import Wire
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile
from testbed.qos import IMAGES_OVER_A_LINK

KINDS = {"PartialInference": PartialInference, "Image": Image, "CompressedImage": CompressedImage}


@dataclass(frozen=True, slots=True)
class RelayTask:
    """
    Task of the relay.

    :param kind: message type, one of :data:`KINDS`.
    :param source: topic that it subscribes to.
    :param target: topic that it publishes on.
    :param uplink_mbps: initial rate in Mbit/s.
    """

    kind: str
    source: str
    target: str
    uplink_mbps: float


class Relay(Node):
    """Receives serialized messages on one topic, and publishes the same bytes on another topic."""

    def __init__(self, task: RelayTask) -> None:
        super().__init__("relay", start_parameter_services=False)
        kind = KINDS[task.kind]
        ours = kind is PartialInference
        profile = qos.PARTIAL_INFERENCE if ours else IMAGES_OVER_A_LINK
        publisher = self.create_publisher(kind, task.target, profile)
        self.wire = Wire(1e6 * task.uplink_mbps, max(2, profile.depth), publisher.publish)
        self.create_subscription(kind, task.source, self._on_message, profile, raw=True)

    def _on_message(self, message: bytes) -> None:
        self.wire.put(message, time.monotonic())

    def obey(self) -> None:
        """Follow the lines of the input until it ends."""
        for line in sys.stdin:
            if line.strip():
                self.wire.bits_per_second = 1e6 * float(line)
            else:
                print(self.wire.counts.sent_bytes, flush=True)


def main() -> int:
    """Run the relay until a signal stops it; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    task = RelayTask(**json.loads(sys.argv[1]))
    if task.kind == "PartialInference":
        apply_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Relay(task)
    threading.Thread(target=node.obey, daemon=True).start()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.wire.close()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
