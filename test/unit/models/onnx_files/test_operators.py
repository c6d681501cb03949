# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each operator, with its settings in several opsets, gives what onnxruntime gives."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper
from onnx_models import Array, largest_difference, make_onnx, reference

from neurosurgeon_ros.models.onnx_files import load_onnx
from neurosurgeon_ros.models.onnx_files.operators import OPERATORS

GENERATOR = np.random.default_rng(0)
SHAPE = (1, 3, 6, 7)


def some(*shape: int) -> Array:
    return GENERATOR.standard_normal(shape).astype(np.float32)


def ints(*numbers: int) -> Array:
    return np.array(numbers, dtype=np.int64)


#: Operator, constants after the input `x`, attributes, opsets.
Case = tuple[str, list[Array | None], dict[str, Any], tuple[int, ...]]
ANY = (11, 20)

UNARY = ["Abs", "Atan", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "HardSigmoid", "Identity", "LeakyRelu", "Neg"]
UNARY += [
    "Reciprocal",
    "Relu",
    "Round",
    "Selu",
    "Sigmoid",
    "Sign",
    "Sin",
    "Sinh",
    "Softplus",
    "Softsign",
    "Tan",
    "Tanh",
]
UNARY += ["Elu", "Celu", "ThresholdedRelu", "GlobalAveragePool", "GlobalMaxPool", "Flatten", "Shape", "Size", "Dropout"]
UNARY += ["IsNaN", "Softmax", "LogSoftmax", "ArgMax", "ArgMin", "ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean"]
UNARY += ["ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "ReduceLogSumExp", "LpNormalization", "Transpose"]

CASES: list[Case] = [
    *((name, [], {}, (13,)) for name in UNARY),
    *((name, [some(3, 1, 7)], {}, ANY) for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")),
    *((name, [some(7)], {}, ANY) for name in ("Greater", "Less", "Equal", "PRelu")),
    *((name, [some(7)], {}, (12, 17)) for name in ("GreaterOrEqual", "LessOrEqual")),
    *((name, [np.float32(3.0)], {}, ANY) for name in ("Add", "Mul", "Pow")),
    ("HardSwish", [], {}, (14, 17)),
    ("Mish", [], {}, (18,)),
    ("Gelu", [], {}, (20,)),
    ("Gelu", [], {"approximate": "tanh"}, (20,)),
    ("HardSigmoid", [], {"alpha": 1 / 6}, ANY),
    ("LeakyRelu", [], {"alpha": 0.3}, ANY),
    ("Softmax", [], {"axis": 1}, ANY),
    ("PRelu", [some(3, 1, 1)], {}, ANY),
    ("Mod", [np.float32(0.7)], {"fmod": 1}, ANY),
    ("Clip", [np.float32(-0.5), np.float32(0.5)], {}, ANY),
    ("Clip", [np.float32(0), np.float32(6)], {}, ANY),
    ("Clip", [None, np.float32(0.5)], {}, ANY),
    ("Cast", [], {"to": TensorProto.INT64}, ANY),
    ("Cast", [], {"to": TensorProto.BOOL}, ANY),
    ("Conv", [some(4, 3, 3, 3), some(4)], {"pads": [1, 1, 1, 1]}, ANY),
    ("Conv", [some(6, 1, 3, 3)], {"group": 3, "strides": [2, 1], "dilations": [1, 2], "pads": [0, 1, 2, 1]}, ANY),
    ("Conv", [some(4, 3, 3, 2)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, ANY),
    ("Conv", [some(4, 3, 2, 2)], {"auto_pad": "SAME_LOWER"}, ANY),
    ("Conv", [some(4, 3, 2, 2)], {"auto_pad": "VALID"}, ANY),
    ("ConvTranspose", [some(3, 4, 2, 2), some(4)], {"strides": [2, 2]}, ANY),
    ("ConvTranspose", [some(3, 2, 3, 3)], {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}, ANY),
    ("ConvTranspose", [some(3, 2, 3, 3)], {"strides": [2, 2], "pads": [0, 0, 1, 1]}, ANY),
    ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}, ANY),
    ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, ANY),
    ("MaxPool", [], {"kernel_shape": [5, 5], "pads": [2, 2, 2, 2]}, ANY),
    ("MaxPool", [], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}, ANY),
    ("AveragePool", [], {"kernel_shape": [2, 3], "strides": [2, 2]}, ANY),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, ANY),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, ANY),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1]}, ANY),
    ("BatchNormalization", [some(3), some(3), some(3), np.abs(some(3)) + 1], {}, ANY),
    ("LayerNormalization", [some(7), some(7)], {}, (17, 20)),
    ("LayerNormalization", [some(6, 7)], {"axis": 2, "epsilon": 1e-3}, (17,)),
    ("InstanceNormalization", [some(3), some(3)], {}, ANY),
    ("GroupNormalization", [some(3), some(3)], {"num_groups": 3}, (18,)),
    ("LRN", [], {"size": 3}, ANY),
    ("MatMul", [some(7, 5)], {}, ANY),
    ("Einsum", [some(7, 5)], {"equation": "nchw,wd->nchd"}, (12, 17)),
    ("Flatten", [], {"axis": 2}, ANY),
    ("Reshape", [ints(0, -1, 7)], {}, ANY),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}, ANY),
    ("Squeeze", [ints(0)], {}, (13, 17)),
    ("Squeeze", [], {"axes": [0]}, (11,)),
    ("Unsqueeze", [ints(0, 3)], {}, (13, 17)),
    ("Unsqueeze", [], {"axes": [-1, 1]}, (11,)),
    ("Slice", [ints(1, -4), ints(5, -1), ints(2, 3)], {}, ANY),
    ("Slice", [ints(-1), ints(-(1 << 62)), ints(3), ints(-2)], {}, ANY),
    ("Slice", [ints(4), ints(1), ints(2), ints(-1)], {}, ANY),
    ("Slice", [ints(0), ints(1 << 62), ints(3), ints(3)], {}, ANY),
    ("Gather", [np.array(1)], {"axis": 2}, ANY),
    ("Gather", [np.array([[0, -1], [2, 1]])], {"axis": 3}, ANY),
    ("GatherElements", [GENERATOR.integers(-7, 7, (1, 3, 6, 4))], {"axis": 3}, ANY),
    ("GatherND", [np.array([[0, 1, 2], [0, 2, 5]])], {}, ANY),
    ("ScatterND", [np.array([[0, 1, 2], [0, 2, 5]]), some(2, 7)], {}, ANY),
    ("ScatterElements", [np.array([[[[0, 3]]]]), some(1, 1, 1, 2)], {"axis": 3}, ANY),
    ("Expand", [ints(2, 1, 1, 1)], {}, ANY),
    ("Tile", [ints(1, 2, 1, 3)], {}, ANY),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 0, 3)], {}, ANY),
    ("Pad", [ints(0, 1, 0, 0, 0, 1, 0, 0), np.float32(2)], {}, ANY),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 0, 3)], {"mode": "reflect"}, ANY),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 0, 3)], {"mode": "edge"}, ANY),
    ("Pad", [ints(1, 2, 0, 1), None, ints(2, 3)], {}, (18, 20)),
    ("SpaceToDepth", [], {"blocksize": 1}, ANY),
    ("Trilu", [], {"upper": 0}, (14, 17)),
    ("Trilu", [np.array(1)], {}, (14, 17)),
    ("CumSum", [np.array(3)], {}, ANY),
    ("CumSum", [np.array(2)], {"reverse": 1}, ANY),
    ("ReduceMean", [], {"axes": [2, 3]}, (11, 17)),
    ("ReduceMean", [ints(-1)], {"keepdims": 0}, (18, 20)),
    ("ReduceSum", [ints(2, 3)], {}, (13, 20)),
    ("ReduceSum", [], {"axes": [1], "keepdims": 0}, (11,)),
    ("ReduceMax", [ints(1)], {}, (18, 20)),
    ("ReduceProd", [], {"axes": [2, 3]}, (13,)),
    ("ReduceL2", [], {"axes": [3]}, (13,)),
    ("ArgMax", [], {"axis": 3, "keepdims": 0}, ANY),
    ("ArgMax", [], {"axis": 1, "select_last_index": 1}, (12, 17)),
    ("LpNormalization", [], {"axis": 1, "p": 1}, (17,)),
    ("GridSample", [np.tanh(some(1, 4, 5, 2))], {}, (16,)),
    ("GridSample", [some(1, 4, 5, 2)], {"mode": "linear", "padding_mode": "border", "align_corners": 1}, (20,)),
    ("GridSample", [some(1, 4, 5, 2)], {"mode": "nearest", "padding_mode": "reflection"}, (16,)),
]


def resized() -> list[Case]:
    """Return resizings by all modes, smaller and larger."""
    cases: list[Case] = []
    larger, odd = np.array([1, 1, 2, 2], np.float32), np.array([1, 1, 1.7, 0.6], np.float32)
    for scales, coordinates in itertools.product(
        (larger, odd), ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")
    ):
        given = [np.zeros(0, np.float32), scales]
        settings = {"coordinate_transformation_mode": coordinates}
        cases += [("Resize", given, {**settings, "mode": mode}, (11, 19)) for mode in ("linear", "cubic")]
        for rounding in ("floor", "round_prefer_floor", "ceil", "round_prefer_ceil"):
            cases.append(("Resize", given, {**settings, "mode": "nearest", "nearest_mode": rounding}, (13,)))
    cases.append(
        ("Resize", [np.zeros(0, np.float32), np.zeros(0, np.float32), ints(1, 3, 11, 5)], {"mode": "linear"}, (13, 19))
    )
    cases.append(("Resize", [None, None, ints(11, 5)], {"mode": "nearest", "axes": [2, 3]}, (18,)))
    return cases


ALL = [(case, opset) for case in [*CASES, *resized()] for opset in case[3]]


def run(
    tmp_path: Path, nodes: list[Any], opset: int, weights: dict[str, Array], shape: tuple[int, ...] = SHAPE
) -> float:
    """Return the largest difference from onnxruntime."""
    path = tmp_path / "model.onnx"
    path.write_bytes(make_onnx(nodes, opset=opset, shape=shape, weights=weights).SerializeToString())
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    network, _ = load_onnx(path)
    return largest_difference(network(x), reference(path, x))


@pytest.mark.parametrize(
    ("case", "opset"), ALL, ids=[f"{index}-{case[0]}-{opset}" for index, (case, opset) in enumerate(ALL)]
)
def test_an_operator_gives_what_onnxruntime_gives(tmp_path: Path, case: Case, opset: int) -> None:
    operator, constants, attributes, _ = case
    weights = {f"c{index}": one for index, one in enumerate(constants) if one is not None}
    inputs = ["x", *(f"c{index}" if one is not None else "" for index, one in enumerate(constants))]
    node = helper.make_node(operator, inputs, ["y"], **attributes)
    assert run(tmp_path, [node], opset, weights) <= 2e-6


MAKE = helper.make_node
CHAINS: dict[str, tuple[list[Any], dict[str, Array]]] = {
    "not": ([MAKE("Greater", ["x", "z"], ["a"]), MAKE("Not", ["a"], ["y"])], {"z": np.float32(0)}),
    "logic": (
        [
            MAKE("Greater", ["x", "z"], ["a"]),
            MAKE("Less", ["x", "o"], ["b"]),
            MAKE("And", ["a", "b"], ["c"]),
            MAKE("Or", ["c", "a"], ["d"]),
            MAKE("Xor", ["d", "b"], ["e"]),
            MAKE("Where", ["e", "x", "z"], ["y"]),
        ],
        {"z": np.float32(0), "o": np.float32(1)},
    ),
    "logarithm": (
        [
            MAKE("Abs", ["x"], ["a"]),
            MAKE("Log", ["a"], ["b"]),
            MAKE("Sqrt", ["a"], ["c"]),
            MAKE("Add", ["b", "c"], ["y"]),
        ],
        {},
    ),
    "parts": (
        [MAKE("Split", ["x", "s"], ["a", "b"], axis=3), MAKE("Concat", ["b", "a"], ["y"], axis=-1)],
        {"s": ints(3, 4)},
    ),
    "equal parts": ([MAKE("Split", ["x"], ["a", "b"], axis=2), MAKE("Sub", ["a", "b"], ["y"])], {}),
    "best": ([MAKE("TopK", ["x", "k"], ["a", "y"], axis=3)], {"k": ints(3)}),
    "best of equal ones": (
        [MAKE("Sign", ["x"], ["s"]), MAKE("TopK", ["s", "k"], ["a", "y"], axis=3, largest=0)],
        {"k": ints(5)},
    ),
    "depth to space": (
        [
            MAKE("Expand", ["x", "s"], ["a"]),
            MAKE("Concat", ["a", "a", "a", "a"], ["b"], axis=1),
            MAKE("DepthToSpace", ["b"], ["c"], blocksize=2),
            MAKE("SpaceToDepth", ["c"], ["d"], blocksize=2),
            MAKE("DepthToSpace", ["d"], ["y"], blocksize=2, mode="CRD"),
        ],
        {"s": ints(1, 3, 6, 7)},
    ),
    "layer": (
        [MAKE("Reshape", ["x", "s"], ["a"]), MAKE("Gemm", ["a", "w", "b"], ["y"], transB=1)],
        {"s": ints(18, 7), "w": some(5, 7), "b": some(5)},
    ),
    "general product": (
        [MAKE("Reshape", ["x", "s"], ["a"]), MAKE("Gemm", ["a", "w", "b"], ["y"], alpha=0.5, beta=2.0, transA=1)],
        {"s": ints(18, 7), "w": some(18, 5), "b": some(7, 5)},
    ),
    "sizes": (
        [
            MAKE("Shape", ["x"], ["a"]),
            MAKE("Gather", ["a", "two"], ["h"]),
            MAKE("Range", ["zero", "h", "one"], ["r"]),
            MAKE("Cast", ["r"], ["f"], to=1),
            MAKE("Reshape", ["f", "s"], ["g"]),
            MAKE("Add", ["x", "g"], ["y"]),
        ],
        {"two": np.array(2), "zero": np.array(0), "one": np.array(1), "s": ints(1, 1, -1, 1)},
    ),
    "whole division": (
        [
            MAKE("ArgMax", ["x"], ["a"], axis=3),
            MAKE("Div", ["a", "two"], ["b"]),
            MAKE("Mod", ["a", "two"], ["c"]),
            MAKE("Add", ["b", "c"], ["y"]),
        ],
        {"two": np.array(2)},
    ),
    "one hot": (
        [MAKE("ArgMax", ["x"], ["a"], axis=3, keepdims=0), MAKE("OneHot", ["a", "n", "v"], ["y"], axis=1)],
        {"n": np.array(7), "v": np.array([-1, 2], np.float32)},
    ),
    "fills": (
        [MAKE("ConstantOfShape", ["s"], ["a"]), MAKE("EyeLike", ["a"], ["e"], k=1), MAKE("Add", ["x", "e"], ["y"])],
        {"s": ints(6, 7)},
    ),
    "found": (
        [MAKE("NonZero", ["w"], ["a"]), MAKE("Squeeze", ["a"], ["b"]), MAKE("Gather", ["x", "b"], ["y"], axis=3)],
        {"w": np.array([0, 1, 0, 1], np.float32)},
    ),
    "like": ([MAKE("CastLike", ["x", "i"], ["y"])], {"i": np.array([1])}),
    "out of order": ([MAKE("Neg", ["a"], ["y"]), MAKE("Relu", ["x"], ["a"])], {}),
    "log of sum": ([MAKE("Exp", ["x"], ["a"]), MAKE("ReduceLogSum", ["a"], ["y"])], {}),
    "infinite": ([MAKE("Div", ["x", "z"], ["a"]), MAKE("IsInf", ["a"], ["y"])], {"z": np.float32(0)}),
    "arcs": (
        [
            MAKE("Sin", ["x"], ["a"]),
            MAKE("Asin", ["a"], ["b"]),
            MAKE("Acos", ["a"], ["c"]),
            MAKE("Sub", ["b", "c"], ["y"]),
        ],
        {},
    ),
    "taken branch": (
        [
            MAKE(
                "If",
                ["t"],
                ["y"],
                **{
                    f"{name}_branch": helper.make_graph(
                        [MAKE(operator, ["x"], ["z"])], name, [], [helper.make_empty_tensor_value_info("z")]
                    )
                    for name, operator in (("then", "Neg"), ("else", "Relu"))
                },
            )
        ],
        {"t": np.array(True)},
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_operators_that_need_others_give_what_onnxruntime_gives(tmp_path: Path, name: str) -> None:
    nodes, weights = CHAINS[name]
    assert run(tmp_path, nodes, 15 if name == "like" else 13, weights) <= 2e-6


def test_every_operator_is_tested() -> None:
    tested = {case[0] for case in [*CASES, *resized()]}
    tested |= {node.op_type for nodes, _ in CHAINS.values() for node in nodes}
    assert set(OPERATORS) - tested == set()
