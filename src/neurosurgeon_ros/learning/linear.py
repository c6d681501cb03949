# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the linear policies for changing links share: scaled features, and the choice of the most optimistic arm."""

from __future__ import annotations

import numpy as np

from neurosurgeon_ros.learning.interface import Choice, Context, FloatArray


class ScaledFeatures:
    """
    Each feature over its largest value over the arms of the first frame.

    The scale stays what it was then, or a design matrix would mix units.
    """

    def __init__(self) -> None:
        self._scale: FloatArray | None = None
        self.largest_squared_norm = 0.0  # L^2, of the first frame's arms

    def __call__(self, features: FloatArray) -> FloatArray:
        """
        Scale features.

        :param features: shape (n, d).
        :returns: shape (n, d).
        """
        if self._scale is None:
            largest = np.max(features, axis=0)
            self._scale = np.where(largest > 0.0, largest, 1.0)
            first = features / self._scale
            self.largest_squared_norm = float(np.max(np.einsum("ij,ij->i", first, first)))
        scaled: FloatArray = features / self._scale
        return scaled


def most_optimistic(context: Context, predicted_s: FloatArray, bonus_s: FloatArray, *, known: bool) -> Choice:
    """
    Choose the allowed arm with the lowest cost and lower confidence bound of its offloading delay.

    :param predicted_s: expected offloading delays, shape (n,); 0 for `on_device`.
    :param bonus_s: how far the bounds lie below them, shape (n,); 0 for `on_device`.
    :param known: whether anything was observed that `predicted_s` could rest on.
    """
    arm = int(np.argmin(np.where(context.allowed, context.cost_s + predicted_s - bonus_s, np.inf)))
    if arm == context.on_device:
        return Choice(arm=arm, predicted_offload_s=0.0)
    return Choice(
        arm=arm,
        predicted_offload_s=float(predicted_s[arm]) if known else float("nan"),
        optimistic_offload_s=max(0.0, float(predicted_s[arm] - bonus_s[arm])),
    )
