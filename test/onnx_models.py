# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files made by hand and by torch's exporters, and what onnxruntime computes with them."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import nn

Array = NDArray[Any]
IMAGE = (1, 3, 8, 8)


def make_onnx(
    nodes: Sequence[onnx.NodeProto],
    *,
    opset: int = 17,
    shape: Sequence[int | str] = IMAGE,
    weights: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """Make a model with the input `x`; the element types of its outputs do not matter to anybody here."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def reference(path: Path, x: torch.Tensor) -> list[Array]:
    """Return what onnxruntime computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    return found


def largest_difference(outputs: Any, wanted: Sequence[Array]) -> float:
    """Return the largest difference of outputs, in shares of the extent of each; infinite for other shapes or types."""
    given = list(outputs.values()) if isinstance(outputs, dict) else [outputs]
    differences = [0.0]
    for one, other in zip(given, wanted, strict=True):
        if tuple(one.shape) != other.shape or one.numpy().dtype != other.dtype:
            return float("inf")
        mine, theirs = one.numpy().astype(np.float64), other.astype(np.float64)
        same = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        apart = np.abs(np.where(same, 0.0, mine) - np.where(same, 0.0, theirs))
        finite = theirs[np.isfinite(theirs)]
        extent = max(np.ptp(finite), np.abs(finite).max()) if finite.size else 0.0
        differences.append(float(apart.max(initial=0.0)) / max(float(extent), 1e-6))
    return max(differences)


def export(
    network: nn.Module, example: torch.Tensor, path: Path, opset: int, *, dynamo: bool = False, **more: Any
) -> Path:
    """Export a network with one of torch's two exporters."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")
        settings = {"external_data": False, "verbose": False} if dynamo else {}
        torch.onnx.export(network, (example,), str(path), opset_version=opset, dynamo=dynamo, **settings, **more)
    return path
