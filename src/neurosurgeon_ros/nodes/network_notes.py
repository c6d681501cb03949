# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What robot and edge log about a loaded network that a user may not expect."""

from __future__ import annotations

from rclpy.impl.rcutils_logger import RcutilsLogger

from neurosurgeon_ros.codecs import absent_codecs
from neurosurgeon_ros.inference.engine import Engine


def log_network(log: RcutilsLogger, engine: Engine, *, random_weights: bool) -> None:
    """Log the notes about a network's outputs, and what it and this installation lack."""
    for note in engine.model.notes:
        log.warning(note)
    if random_weights:
        log.warning("the weights are random: delays mean something, detections do not")
    if engine.partitioned.obstacle:
        log.warning(engine.partitioned.obstacle)
    for reason in absent_codecs():
        log.info(reason)
