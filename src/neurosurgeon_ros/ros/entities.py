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
    Make a timer that runs on the steady clock, regardless of `use_sim_time`: peers and users are not simulated.

    After the timer is destroyed, its callback is not called, even if the executor already had it ready when the
    transition destroyed the timer and the objects that the callback needs.
    """

    def tick() -> None:
        if any(one is timer for one in node.timers):
            callback()

    timer = node.create_timer(period_s, tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
    return timer


def destroy(node: Any, *entities: Any) -> None:
    """Destroy publishers, subscriptions and timers of a node; entities that are None are skipped."""
    kinds = {
        "Publisher": node.destroy_publisher,
        "Subscription": node.destroy_subscription,
        "Timer": node.destroy_timer,
    }
    for entity in entities:
        if entity is not None:
            kinds[type(entity).__name__](entity)
