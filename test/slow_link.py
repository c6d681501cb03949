# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
One end of a link that is slower than its sender: ``python slow_link.py publish BYTES LIFESPAN`` or ``subscribe``.

Both have the nodes' profile and print `matched` once they have met. The publisher sends a request for each line of its
input, and the subscriber prints what it receives. Both end with their input.
"""

from __future__ import annotations

import array
import sys
import threading

import rclpy
from rclpy.node import Node

from neurosurgeon_ros.msg import PartialInference, Tensor
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile

TOPIC = "/neurosurgeon/partial_inference"


def publish(node: Node, size: int, lifespan_s: float) -> None:
    publisher = node.create_publisher(PartialInference, TOPIC, qos.requests_for(lifespan_s))
    while not publisher.get_subscription_count():
        rclpy.spin_once(node, timeout_sec=0.1)
    print("matched", flush=True)
    for _ in sys.stdin:
        publisher.publish(PartialInference(tensors=[Tensor(data=array.array("B", bytes(size)))]))


def received(message: PartialInference) -> None:
    print(f"received {len(message.tensors[0].data)} bytes", flush=True)


def subscribe(node: Node) -> None:
    subscription = node.create_subscription(PartialInference, TOPIC, received, qos.requests_of(1))
    while not subscription.get_publisher_count():
        rclpy.spin_once(node, timeout_sec=0.1)
    print("matched", flush=True)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        rclpy.spin_once(node, timeout_sec=0.1)


if __name__ == "__main__":
    apply_profile()
    rclpy.init()
    if sys.argv[1] == "publish":
        publish(rclpy.create_node("publisher"), int(sys.argv[2]), float(sys.argv[3]))
    else:
        subscribe(rclpy.create_node("subscriber"))
