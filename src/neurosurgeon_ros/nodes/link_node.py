# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An emulated uplink: forwards the robot's requests to the edge after the time that a wire of a given rate takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rclpy.node import Node

from neurosurgeon_ros.msg import PartialInference
from neurosurgeon_ros.nodes.wire import Wire
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.parameters import declare, parameter
from neurosurgeon_ros.ros.process.process import run

#: Maximum plausible age of a message by its own stamp, seconds.
LONGEST_HOP_S = 0.5

#: Seconds between warnings of the same kind.
WARNING_PERIOD_S = 5.0


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """Parameters of link_node."""

    uplink_mbps: float = parameter(50.0, "rate of the emulated wire", unit="Mbit/s", low=0.001, high=100000.0)
    edge_namespace: str = parameter(
        "/neurosurgeon", "namespace of the topics between robot and edge; must be the same on both"
    )


class LinkNode(Node):
    """
    Receives serialized requests on `uplink` and publishes the same bytes on `partial_inference`.

    Both topics are in the edge's namespace. The robot is started with its `partial_inference` remapped to `uplink`.
    """

    def __init__(self) -> None:
        super().__init__("link_node")
        parameters = declare(self, LinkParameters)
        namespace = parameters.edge_namespace
        self._undelivered = 0
        self._dropped = 0
        self._out = self.create_publisher(PartialInference, f"{namespace}/partial_inference", qos.PARTIAL_INFERENCE)
        self._wire = Wire(1e6 * parameters.uplink_mbps, qos.PARTIAL_INFERENCE.depth, self._deliver)
        self.create_subscription(
            PartialInference,
            f"{namespace}/uplink",
            self._on_request,  # type: ignore[arg-type]  # rclpy's annotation only covers callbacks without info
            qos.PARTIAL_INFERENCE,
            raw=True,
        )
        self.get_logger().info(
            f"passes {namespace}/uplink on to {namespace}/partial_inference at {parameters.uplink_mbps:g} Mbit/s"
        )

    def close(self) -> None:
        """Drop the messages on the wire, and log the counts."""
        self._wire.close()
        counts = self._wire.counts
        self.get_logger().info(
            f"passed on {counts.delivered - self._undelivered} requests, {counts.sent_bytes} bytes in all; "
            f"{counts.dropped} gave way to newer ones, {self._undelivered} found no edge"
        )

    def _on_request(self, message: bytes, info: dict[str, int]) -> None:
        # The time of the first hop counts towards the time on the wire: robot and link share this machine's clock.
        hop_s = (time.time_ns() - info["source_timestamp"]) * 1e-9
        self._wire.put(message, time.monotonic() - min(max(hop_s, 0.0), LONGEST_HOP_S))
        dropped = self._wire.counts.dropped
        if dropped > self._dropped:
            self._dropped = dropped
            self.get_logger().warning(
                f"the link is full: {dropped} requests gave way to newer ones so far",
                throttle_duration_sec=WARNING_PERIOD_S,
            )

    def _deliver(self, message: bytes) -> None:
        """Forward a request; called from the wire's thread."""
        if self._out.get_subscription_count() > 0:
            self._out.publish(message)
            return
        self._undelivered += 1
        self.get_logger().warning(
            f"no edge listens to {self._out.topic_name}: {self._undelivered} requests were dropped so far",
            throttle_duration_sec=WARNING_PERIOD_S,
        )


def main(args: list[str] | None = None) -> int:
    """Run the link node until the process is told to stop; returns the exit code."""
    return run(LinkNode, args, polls=True)
