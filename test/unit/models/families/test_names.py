# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of classes from a user's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from neurosurgeon_ros.models import FileProblem
from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.models.families.names import COCO_91, distinct, read_names


@pytest.mark.parametrize(
    ("file", "content", "names"),
    [
        ("names.txt", "nut\nbolt\n", ("nut", "bolt")),
        ("coco.names", "\ufeffnut \r\n\r\n big bolt\r\n", ("nut", "big bolt")),
        ("data.yaml", "path: ../x\nnames: [nut, bolt]\n", ("nut", "bolt")),
        ("data.yml", "nc: 2\nnames:\n- nut\n- bolt\n", ("nut", "bolt")),
        ("data.yaml", "names:\n  1: bolt\n  0: nut\n", ("nut", "bolt")),
        ("data.yaml", "names: {0: no, 1: 1, 2: null}\n", ("no", "1", "null")),
        ("data.yaml", "names: !!python/object/apply:sys.exit [nut]\n", ("nut",)),  # nothing is executed
        ("names.txt", "crane\nship\ncrane\n", ("crane", "ship", "crane 2")),
    ],
)
def test_names_are_read(tmp_path: Path, file: str, content: str, names: tuple[str, ...]) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8", newline="")
    assert read_names(tmp_path / file) == names


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("names.txt", b"", "has no names: write the name of a class in each line"),
        ("names.txt", b"\xff\xfe\x00", "is no UTF-8 text"),
        ("names.txt", b"x\n" * 600_000, "has more than 1,000,000 bytes"),
        ("data.yaml", b"names: [nut, bolt", "is no YAML .*line 1"),
        ("data.yaml", b"[" * 100_000, "is no YAML"),
        ("data.yaml", b"train: images", "has no names: write them as a list"),
        ("data.yaml", b"- nut\n- bolt\n", "has no names: write them as a list"),
        ("data.yaml", b"names: {1: nut, 2: bolt}", "has no names: .*mapping from 0, 1"),
        ("data.yaml", b"names: {0: [nut]}", "has no names"),
        ("data.yaml", b"names: []", "has no names"),
    ],
)
def test_what_has_no_names_is_refused_in_one_sentence(tmp_path: Path, file: str, content: bytes, reason: str) -> None:
    (tmp_path / file).write_bytes(content)
    with pytest.raises(FileProblem, match=reason) as caught:
        read_names(tmp_path / file)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"gone\.txt is missing"):
        read_names(tmp_path / "gone.txt")
    with pytest.raises(FileProblem, match="cannot be read"):
        read_names(tmp_path)


def test_no_name_occurs_twice() -> None:
    assert distinct(["a", "a", "a 1", "a"]) == ("a", "a 1", "a 1 2", "a 3")


def test_cocos_91_numbers_are_those_of_its_annotations() -> None:
    assert len(COCO_91) == len(set(COCO_91)) == 91
    assert [COCO_91[number] for number in (1, 3, 13, 90)] == ["person", "car", "stop sign", "toothbrush"]
    assert COCO_91[0] == "class 0" and COCO_91[12] == "class 12"
    assert tuple(name for name in COCO_91 if not name.startswith("class ")) == COCO_NAMES
