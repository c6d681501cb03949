# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The bond of a managed node with nav2's lifecycle manager: heartbeats by which the manager notices that the node is gone.

The manager makes its end after it has activated the node, and gives up if no heartbeat comes within half of its
`bond_timeout` (nav2_lifecycle_manager, `createBondConnection`). nav2's own nodes never break a bond because the manager
is silent (nav2_util, `lifecycle_node.cpp`), so this end listens to nothing and needs only the message, not bondpy.
"""

from __future__ import annotations

import importlib
import uuid
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from neurosurgeon_ros.ros.entities import steady_timer

#: Topic of all bonds, relative to the node's namespace, which must be the manager's.
TOPIC = "bond"
#: As in bondcpp.
QOS = QoSProfile(depth=5)
#: Seconds without a heartbeat that nav2's nodes announce. The manager uses its own `bond_timeout`.
ANNOUNCED_TIMEOUT_S = 4.0


class Bond:
    """
    The node's end of a bond.

    :param node: the node that sends the heartbeats; its name is the bond's id.
    :param kind: the message type bond/Status.
    :param period_s: seconds between two heartbeats.
    """

    def __init__(self, node: Node, kind: Any, period_s: float) -> None:
        self._node = node
        self._status = kind(
            id=node.get_name(),
            instance_id=str(uuid.uuid4()),
            active=True,
            heartbeat_timeout=ANNOUNCED_TIMEOUT_S,
            heartbeat_period=period_s,
        )
        self._publisher = node.create_publisher(kind, TOPIC, QOS)
        self._timer = steady_timer(node, period_s, self._beat)
        self._beat()

    def _beat(self) -> None:
        self._status.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(self._status)

    def close(self) -> None:
        """Tell the manager that the node stops, and send no more heartbeats."""
        self._timer.cancel()
        self._node.destroy_timer(self._timer)
        self._status.active = False
        self._beat()
        self._node.destroy_publisher(self._publisher)


def make_bond(node: Node, parameters: Any) -> Bond | None:
    """
    Make a node's bond with a lifecycle manager.

    :param parameters: the node's parameters `autostart` and `bond_heartbeat_period`.
    :returns: None if there is to be no bond, or if the package bond is not installed; it comes with nav2.
    """
    period_s = float(getattr(parameters, "bond_heartbeat_period", 0.0))
    if period_s <= 0.0 or parameters.autostart:
        return None
    try:
        kind = importlib.import_module("bond.msg").Status
    except ImportError:
        node.get_logger().info(
            "no bond with a lifecycle manager: the package bond is not installed: install it, or set the manager's "
            "bond_timeout to 0.0"
        )
        return None
    return Bond(node, kind, period_s)
