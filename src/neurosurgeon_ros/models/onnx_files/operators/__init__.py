# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Functions that convert the operators of ONNX, by the name of the operator.

To add an operator, add a function to one of the files and a line to its table.
"""

from __future__ import annotations

from neurosurgeon_ros.models.onnx_files.node import Convert
from neurosurgeon_ros.models.onnx_files.operators import (
    convolution,
    elementwise,
    indexing,
    normalisation,
    pooling,
    resize,
    shapes,
)

OPERATORS: dict[str, Convert] = {
    **convolution.OPERATORS,
    **elementwise.OPERATORS,
    **indexing.OPERATORS,
    **normalisation.OPERATORS,
    **pooling.OPERATORS,
    **resize.OPERATORS,
    **shapes.OPERATORS,
}

__all__ = ["OPERATORS"]
