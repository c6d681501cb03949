# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Records as a monitor makes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurosurgeon_ros.diagnostics.records import HeaderKey, SeenDecision, SeenDetections, SeenImage

PERIOD_NS = 40_000_000


def header(sequence: int) -> HeaderKey:
    """Return the header of the image with this number."""
    return HeaderKey(1_000_000_000 + sequence * PERIOD_NS, "camera")


def decision(sequence: int, **changes: Any) -> SeenDecision:
    """Return the decision of a frame that the edge answered, 100 ms in total, with `changes`."""
    values: dict[str, Any] = {
        "header": header(sequence),
        "robot_id": "robot_node",
        "session": 7,
        "sequence": sequence,
        "policy": "mu_lin_ucb",
        "arm": "pool4/fp32",
        "partition_point": 8,
        "sample_arm": "",
        "probe_bytes": 0,
        "key_frame": False,
        "similarity": 0.9,
        "forced": False,
        "predicted_robot_delay": 0.03,
        "predicted_offload_delay": 0.07,
        "slot_delay": 0.005,
        "preprocess_delay": 0.005,
        "front_end_delay": 0.015,
        "encode_delay": 0.005,
        "offload_delay": 0.07,
        "transmit_delay": 0.05,
        "edge_queue_delay": 0.001,
        "edge_decode_delay": 0.001,
        "edge_compute_delay": 0.017,
        "edge_postprocess_delay": 0.001,
        "finish_delay": math.nan,
        "total_delay": 0.1,
        "sent_bytes": 346112,
        "outcome": "edge",
        "reason": "",
        "circuit": "closed",
        "detections": 1,
        "frames_received": 2 * sequence,
        "frames_accepted": sequence,
        "frames_dropped": sequence,
        "frames_rejected": 0,
    }
    return SeenDecision(**{**values, **changes})


def on_device(sequence: int, **changes: Any) -> SeenDecision:
    """Return the decision of a frame that the robot processed alone, 200 ms in total."""
    alone: dict[str, Any] = dict.fromkeys(
        (
            "predicted_offload_delay",
            "encode_delay",
            "offload_delay",
            "transmit_delay",
            "edge_queue_delay",
            "edge_decode_delay",
            "edge_compute_delay",
            "edge_postprocess_delay",
        ),
        math.nan,
    )
    alone |= {"arm": "on_device", "partition_point": 20, "outcome": "on_device", "sent_bytes": 0}
    alone |= {"front_end_delay": 0.185, "finish_delay": 0.005, "total_delay": 0.2}
    return decision(sequence, **{**alone, **changes})


def detections(sequence: int, *names: str) -> SeenDetections:
    """Return the detections of a frame, with one box for each named class."""
    boxes = np.array([(40.0, 30.0, 20.0, 20.0)] * len(names)).reshape(-1, 4)
    return SeenDetections(header(sequence), boxes, names, np.full(len(names), 0.5))


def image(sequence: int, height: int = 61, width: int = 81) -> SeenImage:
    """Return an image whose grey identifies it."""
    return SeenImage(header(sequence), np.full((height, width, 3), 10 * sequence % 250, dtype=np.uint8))
