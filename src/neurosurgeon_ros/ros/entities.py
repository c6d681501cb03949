# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Timers, publishers and subscriptions that a transition makes and destroys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer


def steady_timer(node: Node, period_s: float, callback: Callable[[], None]) -> Timer:
    """
    Make a timer that runs by the machine's clock, whatever `use_sim_time` says: peers and people do not simulate.

    Once it is destroyed it calls no more, also where the executor had it ready already, behind the transition that
    destroyed it and what it needs.
    """

    def tick() -> None:
        if any(one is timer for one in node.timers):
            callback()

    timer = node.create_timer(period_s, tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
    return timer


def destroy(node: Any, *entities: Any) -> None:
    """Destroy publishers, subscriptions and timers of a node, whichever of them are there."""
    kinds = {
        "Publisher": node.destroy_publisher,
        "Subscription": node.destroy_subscription,
        "Timer": node.destroy_timer,
    }
    for entity in entities:
        if entity is not None:
            kinds[type(entity).__name__](entity)
