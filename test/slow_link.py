# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
One end of a link that is slower than its sender: ``python slow_link.py publish BYTES LIFESPAN`` or ``subscribe``.

Both have the nodes' profile and print `matched` once they have met. The publisher sends a request for each SIGUSR1, and
the subscriber prints what it receives. SIGINT ends both.
"""

from __future__ import annotations

import array
import contextlib
import signal
import sys

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from neurosurgeon_ros.msg import PartialInference, Tensor
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile

TOPIC = "/neurosurgeon/partial_inference"


def publish(node: Node, size: int, lifespan_s: float) -> None:
    publisher = node.create_publisher(PartialInference, TOPIC, qos.requests_for(lifespan_s))
    message = PartialInference(tensors=[Tensor(data=array.array("B", bytes(size)))])
    signal.signal(signal.SIGUSR1, lambda *_: publisher.publish(message))
    while not publisher.get_subscription_count():
        rclpy.spin_once(node, timeout_sec=0.1)


def subscribe(node: Node) -> None:
    subscription = node.create_subscription(PartialInference, TOPIC, received, qos.requests_of(1))
    while not subscription.get_publisher_count():
        rclpy.spin_once(node, timeout_sec=0.1)


def received(message: PartialInference) -> None:
    print(f"received {len(message.tensors[0].data)} bytes", flush=True)


if __name__ == "__main__":
    apply_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node(sys.argv[1])
    with contextlib.suppress(KeyboardInterrupt):
        if sys.argv[1] == "publish":
            publish(node, int(sys.argv[2]), float(sys.argv[3]))
        else:
            subscribe(node)
        print("matched", flush=True)
        while True:
            rclpy.spin_once(node, timeout_sec=0.1)
