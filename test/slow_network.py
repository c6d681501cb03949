# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The small network as a user's own network, with a post-processing that takes long where a variable says so."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from robots import small_model

from neurosurgeon_ros.models import Detections, Letterbox, Model

#: Name of the variable with the additional seconds. Where it is set for an edge only, the edge is slow.
SLOW_S = "TEST_SLOW_NETWORK_S"


def make() -> Model:
    """Return the network; a slow computer is emulated without taking the time of others on the same machine."""
    model, slow_s = small_model(), float(os.environ.get(SLOW_S, "0"))

    def postprocess(outputs: object, fitted: Letterbox, *, confidence: float, iou: float) -> Detections:
        time.sleep(slow_s)
        return model.postprocess(outputs, fitted, confidence=confidence, iou=iou)

    return replace(model, name="slow_network:make", postprocess=postprocess)
