# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The families that fit outputs of which only names and shapes are known, as of an ONNX file."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurosurgeon_ros.models.families import FAMILIES, Output, Seen, candidates

Shapes = dict[str, tuple[int, ...]]


def fitting(
    shapes: Shapes, number: int | None = None, size: tuple[int, int] = (640, 640)
) -> list[tuple[str, int | None]]:
    """Return the names and numbers of classes of the families that fit, the chosen one first."""
    outputs = [
        Output(name, shape, (index,), integral=name == "labels") for index, (name, shape) in enumerate(shapes.items())
    ]
    return [(one.family.name, one.fit.classes) for one in candidates(Seen(tuple(outputs), *size), number=number)]


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [
        ({"output0": (1, 84, 8400)}, [("yolov8", 80)]),
        ({"output0": (1, 7, 8400)}, [("yolov8", 3)]),
        ({"output0": (1, 116, 8400), "output1": (1, 32, 160, 160)}, [("yolov8", 80)]),
        ({"output0": (1, 56, 8400)}, [("yolov8_pose", 1), ("yolov8", 52)]),
        ({"output0": (1, 84, 34000)}, [("yolov8", 80)]),
        ({"output0": (1, 25200, 85)}, [("yolov5", 80)]),
        ({"output0": (1, 25200, 117), "output1": (1, 32, 160, 160)}, [("yolov5", 80)]),
        ({"output0": (1, 25500, 85)}, [("yolov5", 80)]),
        ({"output0": (1, 25200, 6)}, [("yolov5", 1), ("yolov7", 1)]),
        ({"output0": (1, 300, 6)}, [("end_to_end", None), ("rtdetr_end_to_end", None)]),
        ({"output0": (1, 300, 38), "output1": (1, 32, 160, 160)}, [("end_to_end", None)]),
        ({"output0": (1, 300, 57)}, [("end_to_end", None)]),
        ({"output0": (1, 300, 84)}, [("rtdetr_joined", 80)]),
        ({"output": (1, 8400, 85)}, [("yolox", 80), ("yolox_raw", 80)]),
        ({"output": (1, 8400, 112)}, [("nanodet", 80), ("nanodet_raw", 80)]),
        ({"output": (1, 8400, 40)}, [("yolox", 35), ("yolox_raw", 35), ("nanodet", 8), ("nanodet_raw", 8)]),
        ({"pred_boxes": (1, 100, 4), "logits": (1, 100, 92)}, [("detr", 91)]),
        ({"logits": (1, 300, 80), "pred_boxes": (1, 300, 4)}, [("rtdetr", 80)]),
        ({"logits": (1, 300, 91), "pred_boxes": (1, 300, 4)}, [("rtdetr", 91)]),
        ({"logits": (1, 100, 8), "pred_boxes": (1, 100, 4)}, [("detr", 7), ("rtdetr", 8)]),
        ({"logits": (1, 300, 8), "pred_boxes": (1, 300, 4)}, [("rtdetr", 8), ("detr", 7)]),
        ({"boxes": (0, 4), "labels": (0,), "scores": (0,)}, [("torchvision", None)]),
        ({"boxes": (100, 4), "labels": (100,), "scores": (100,), "masks": (100, 1, 640, 640)}, [("torchvision", None)]),
        ({"scores": (1, 1000)}, [("classification", 1000)]),
        ({"heads": (1, 255, 13, 13)}, []),
        ({"output0": (2, 84, 8400)}, []),
        ({"output0": (1, 84, 8401)}, []),
        ({"output0": (1, 4, 8400)}, []),
        ({"boxes": (100, 4), "labels": (100,)}, []),
        ({}, []),
    ],
)
def test_families_are_recognised_by_names_and_shapes(shapes: Shapes, wanted: list[tuple[str, int | None]]) -> None:
    assert fitting(shapes) == wanted


def test_the_page_names_every_family(root: Path) -> None:
    page = (root / "docs" / "your-own-network.md").read_text(encoding="utf-8")
    assert [family.name for family in FAMILIES if f"\n| `{family.name}` |" not in page] == []


def test_nanodet_plus_has_a_stride_more() -> None:
    assert fitting({"output": (1, 3598, 112)}, size=(416, 416))[0] == ("nanodet", 80)


@pytest.mark.parametrize(
    ("shapes", "number", "wanted"),
    [
        ({"output0": (1, 56, 8400)}, 52, ("yolov8", 52)),
        ({"output0": (1, 56, 8400)}, 1, ("yolov8_pose", 1)),
        ({"output": (1, 8400, 85)}, 53, ("nanodet", 53)),
        ({"output": (1, 8400, 85)}, 41, ("nanodet", 41)),
        ({"logits": (1, 300, 8), "pred_boxes": (1, 300, 4)}, 7, ("detr", 7)),
        ({"logits": (1, 100, 8), "pred_boxes": (1, 100, 4)}, 8, ("rtdetr", 8)),
    ],
)
def test_the_number_of_classes_tells_families_apart(
    shapes: Shapes, number: int, wanted: tuple[str, int | None]
) -> None:
    assert fitting(shapes, number)[0] == wanted
