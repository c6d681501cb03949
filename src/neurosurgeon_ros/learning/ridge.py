# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Ridge regression that learns one observation at a time, in O(d^2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.interface import FloatArray


class Ridge:
    """
    Online ridge regression of y on x' theta, the learner inside LinUCB (Li et al., WWW 2010).

    :param dimension: number d of features.
    :param beta: regularisation; A starts as beta I.
    """

    def __init__(self, dimension: int, beta: float) -> None:
        self.a: FloatArray = beta * np.eye(dimension)  # A = beta I + sum x x'
        self.a_inverse: FloatArray = np.eye(dimension) / beta  # A^-1, updated with the Sherman-Morrison formula
        self.b: FloatArray = np.zeros(dimension)  # b = sum x y
        self.theta: FloatArray = np.zeros(dimension)  # theta = A^-1 b
        self.count = 0

    def update(self, x: FloatArray, y: float) -> None:
        """
        Learn one observation.

        :param x: features, shape (d,).
        :param y: the observation for `x`.
        """
        direction = self.a_inverse @ x
        self.a += np.outer(x, x)
        # (A + x x')^-1 = A^-1 - A^-1 x x' A^-1 / (1 + x' A^-1 x)
        self.a_inverse -= np.outer(direction, direction) / (1.0 + float(x @ direction))
        self.b += y * x
        self.theta = self.a_inverse @ self.b
        self.count += 1

    def predict(self, x: FloatArray) -> FloatArray:
        """
        Predict observations.

        :param x: features, shape (n, d).
        :returns: x theta, shape (n,).
        """
        prediction: FloatArray = x @ self.theta
        return prediction

    def width(self, x: FloatArray) -> FloatArray:
        """
        Return the uncertainty of each row: sqrt(x' A^-1 x).

        :param x: features, shape (n, d).
        :returns: widths, shape (n,), at least 0.
        """
        squared = np.einsum("ij,ij->i", x @ self.a_inverse, x)
        width: FloatArray = np.sqrt(np.maximum(squared, 0.0))
        return width

    def state(self) -> dict[str, Any]:
        """Return A, b and the number of observations as JSON-compatible values."""
        return {"a": self.a.tolist(), "b": self.b.tolist(), "count": self.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        """
        Restore a learnt state.

        :raises ValueError: if the state has a different number of features.
        """
        a, b = np.array(state["a"], dtype=np.float64), np.array(state["b"], dtype=np.float64)
        if a.shape != self.a.shape or b.shape != self.b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise ValueError(f"A has shape {a.shape}, but must have shape {self.a.shape} and be finite")
        self.a, self.b, self.count = a, b, int(state["count"])
        self.a_inverse = np.linalg.inv(a)
        self.theta = self.a_inverse @ b
