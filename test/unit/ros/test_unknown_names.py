# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Unknown parameter names are reported, with the name that was probably meant."""

from __future__ import annotations

from dataclasses import dataclass

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from neurosurgeon_ros.ros.parameters import declare, parameter, unknown_names


@dataclass(frozen=True)
class Kind:
    """Parameters."""

    confidence: float = parameter(0.5, "how much", low=0.0, high=1.0)


def test_unknown_names_are_said_and_rclpys_own_are_not(ros_domain: int) -> None:
    given = {
        "confidnce": 0.5,
        "zzz": 1,
        "confidence": 0.25,
        "use_sim_time": False,
        "qos_overrides./detections.publisher.depth": 3,
    }
    context = Context()
    rclpy.init(context=context, args=[])
    try:
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        node = Node("tested", context=context, parameter_overrides=overrides)
        assert declare(node, Kind).confidence == 0.25
        misspelt, nonsense = unknown_names(node)
        assert misspelt == "parameter confidnce is unknown and does nothing: did you mean confidence?"
        assert nonsense.startswith("parameter zzz is unknown and does nothing: choose among confidence, ")
        node.destroy_node()
    finally:
        context.try_shutdown()
