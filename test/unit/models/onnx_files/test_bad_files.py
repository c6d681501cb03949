# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bad ONNX files are refused with one sentence; what cannot be converted names the operator and the node."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_models import IMAGE, make_onnx

from neurosurgeon_ros.models import FileProblem, load_model
from neurosurgeon_ros.models.onnx_files import load_onnx


def node(operator: str, inputs: list[str] | None = None, outputs: list[str] | None = None, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs or ["x"], outputs or ["y"], name=f"/net/{operator}", **attributes)


def with_weights(location: str, **entries: str) -> onnx.ModelProto:
    """Return a model that adds weights from another file."""
    model = make_onnx([node("Add", ["x", "w"])], weights={"w": np.ones(IMAGE, np.float32)})
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        weights.external_data.add(key=key, value=value)
    return model


def branches() -> list[Any]:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["z"])], "b", [], [helper.make_empty_tensor_value_info("z")]
    )
    compare = [helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0), helper.make_node("Cast", ["m"], ["c"], to=9)]
    return [*compare, node("If", ["c"], then_branch=branch, else_branch=branch)]


def loop() -> list[Any]:
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Relu", ["v"], ["w"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, IMAGE),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, []),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, IMAGE),
        ],
    )
    return [node("Loop", ["n", "", "x"], body=body)]


N = {"n": np.array(3, np.int64)}
BIG = {"s": np.array([1 << 20, 1 << 20], np.int64)}
WIDE = {"s": np.array([1 << 22, 3, 8, 8], np.int64)}
MODELS: dict[str, tuple[onnx.ModelProto, str]] = {
    "newer": (make_onnx([node("Relu")], opset=23), "has opset 23 where 11 to 22 are supported: export it again"),
    "older": (make_onnx([node("Relu")], opset=9), "has opset 9 where 11 to 22"),
    "loop": (make_onnx(loop(), weights=N), "'/net/Loop' has the operator Loop, whose course depends on the image"),
    "branch": (make_onnx(branches()), "'/net/If' has the operator If, whose course depends on the image"),
    "custom": (
        make_onnx([node("Fancy", domain="com.acme")]),
        "'/net/Fancy' has the operator com.acme.Fancy, which is not of",
    ),
    "unknown": (
        make_onnx([node("NonMaxSuppression", ["x", "x"])]),
        "has the operator NonMaxSuppression, which is not conv",
    ),
    "dynamic": (make_onnx([node("NonZero")]), "NonZero, which is not supported here: its input 0, which fixes a size"),
    "lost": (make_onnx([node("Add", ["x", "gone"])]), "Add, whose input 'gone' no earlier node computes"),
    "lost output": (make_onnx([node("Relu", ["x"], ["z"])]), "does not compute its output"),
    "shapes": (
        make_onnx([node("MatMul", ["x", "w"])], weights={"w": np.ones((5, 5), np.float32)}),
        "which torch refuses",
    ),
    "batch": (make_onnx([node("Relu")], shape=(4, 3, 8, 8)), "takes 4x3x8x8 where 1x3xHEIGHTxWIDTH is expected"),
    "grey": (make_onnx([node("Relu")], shape=(1, 1, 8, 8)), "takes 1x1x8x8 where 3 channels are expected"),
    "open": (make_onnx([node("Relu")], shape=("n", 3, "h", "w")), r"takes images of any size \(\?x3x\?x\?\): name one"),
    "double": (
        make_onnx([node("Relu")], dtype=TensorProto.DOUBLE),
        "takes float64 where float32 or uint8 are expected",
    ),
    "huge": (
        make_onnx([node("Expand", ["x", "s"])], weights=WIDE),
        r"it makes a value of shape \[.*, of which the limit",
    ),
    "huge fill": (
        make_onnx([node("ConstantOfShape", ["s"])], weights=BIG),
        r"it makes a value of shape \[1048576, 1048576\]",
    ),
    "huge padding": (
        make_onnx([node("Conv", ["x", "w"], pads=[1 << 20] * 4)], weights={"w": np.ones((1, 3, 3, 3), np.float32)}),
        "it makes a value of shape",
    ),
    "huge sum": (
        make_onnx([node("Add", ["x", "w"])], weights={"w": np.ones((1 << 21, 1, 1, 1), np.float32)}),
        "the limit is",
    ),
    "outside": (with_weights("../weights.bin"), r"are in '\.\./weights\.bin', outside the folder of the file"),
    "absolute": (with_weights("/etc/hostname"), "are in '/etc/hostname', outside the folder"),
    "missing weights": (with_weights("weights.bin"), "weights.bin, which is missing: export or copy it again"),
    "short weights": (with_weights("model.onnx", offset="9" * 9), "need 768 bytes, which .* does not hold"),
    "negative offset": (with_weights("model.onnx", offset="-4"), "need 768 bytes"),
}


def refusal(path: Path) -> str:
    """Return the sentence with which a file is refused."""
    with pytest.raises(FileProblem) as caught:
        load_model(str(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", MODELS)
def test_a_bad_file_is_refused_with_one_sentence(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.onnx"
    model, message = MODELS[name]
    path.write_bytes(model.SerializeToString())
    with pytest.raises(FileProblem, match=message) as caught:
        load_model(str(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_link_that_leaves_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(768))
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(with_weights("link.bin").SerializeToString())
    assert "outside the folder of the file" in refusal(path)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    weights = np.arange(192, dtype=np.float32).reshape(IMAGE)
    (tmp_path / "weights.bin").write_bytes(bytes(8) + weights.tobytes())
    path = tmp_path / "model.onnx"
    path.write_bytes(with_weights("weights.bin", offset="8", length="768").SerializeToString())
    network, example = load_onnx(path)
    assert np.array_equal(network(example).numpy(), weights)


def test_a_file_that_is_cut_off_or_changed_is_refused_or_read(tmp_path: Path) -> None:
    weights = {"w": np.ones((4, 3, 3, 3), np.float32), "s": np.array([1, -1], np.int64)}
    nodes = [node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]), node("Reshape", ["c", "s"])]
    whole = make_onnx(nodes, weights=weights).SerializeToString()
    path = tmp_path / "model.onnx"
    generator = np.random.default_rng(0)
    refused: list[str] = []
    for round_ in range(300):
        changed = bytearray(whole)
        if round_ % 2:
            changed[generator.integers(len(changed))] = generator.integers(256)
        else:
            del changed[generator.integers(len(changed)) :]
        path.write_bytes(changed)
        try:
            load_onnx(path)
        except FileProblem as problem:
            refused.append(str(problem))
    assert len(refused) > 150
    assert not any("\n" in sentence for sentence in refused)


@pytest.mark.parametrize("content", [b"", b"\x00", b"no model", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    assert "is no ONNX file, or it is cut off" in refusal(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "gone.onnx is missing: give the path of an ONNX file" in refusal(tmp_path / "gone.onnx")


def test_the_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make_onnx([node("Relu")]).SerializeToString())
    monkeypatch.setitem(sys.modules, "onnx", None)  # makes its import fail
    assert "install it with `pip install onnx`" in refusal(path)


def test_an_open_size_is_named_after_the_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    nodes = [node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)]
    path.write_bytes(make_onnx(nodes, shape=("n", 3, "h", "w"), outputs=("m",)).SerializeToString())
    model = load_model(f"{path}@48x32:classification")
    assert model.example_input.shape == (1, 3, 32, 48)
    path.write_bytes(make_onnx(nodes, outputs=("m",)).SerializeToString())
    with pytest.raises(FileProblem, match="takes images of 8x8 pixels alone, and 48x32 were named"):
        load_model(f"{path}@48x32")


def test_names_of_another_number_of_classes_are_refused(tmp_path: Path) -> None:
    path, names = tmp_path / "model.onnx", tmp_path / "names.txt"
    nodes = [node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)]
    path.write_bytes(make_onnx(nodes, outputs=("m",)).SerializeToString())
    names.write_text("nut\nbolt\n")
    with pytest.raises(ValueError, match="names 2 classes where the network has 3"):
        load_model(str(path), labels=names)
    names.write_text("nut\nbolt\nwasher\n")
    assert load_model(str(path), labels=names).labels == ("nut", "bolt", "washer")


def test_names_in_the_file_are_used(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = make_onnx([node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)], outputs=("m",))
    for given, wanted in {
        "{0: 'nut', 1: 'bolt', 2: 'washer'}": ("nut", "bolt", "washer"),
        "__import__('os')": ("class 0", "class 1", "class 2"),
        "{1: 'nut'}": ("class 0", "class 1", "class 2"),
    }.items():
        helper.set_model_props(model, {"names": given})
        path.write_bytes(model.SerializeToString())
        assert load_model(str(path)).labels == wanted


def test_weights_from_elsewhere_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make_onnx([node("Relu")]).SerializeToString())
    with pytest.raises(FileProblem, match="holds its weights: give none beside it"):
        load_model(str(path), weights=tmp_path / "weights.safetensors")
