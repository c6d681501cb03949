# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Open an ONNX file and check what it needs; nothing in it is executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurosurgeon_ros.models.files import FileProblem

if TYPE_CHECKING:
    from onnx import ModelProto

#: Versions of the operators that are converted.
OPSETS = range(11, 23)
#: Maximum size of a file, which the format sets, in bytes.
_LARGEST = 2**31
#: Names of the domain of the standard's operators.
STANDARD = ("", "ai.onnx")
#: Maximum length of a list of names, in characters.
_LONGEST_NAMES = 1_000_000


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """
    Parsed file.

    :param model: its content.
    :param opset: version of its operators.
    :param metadata: what the exporter wrote about the network.
    """

    path: Path
    model: ModelProto
    opset: int
    metadata: dict[str, str]

    @property
    def names(self) -> dict[int, str] | None:
        """Return the names of the classes, as Ultralytics writes them; None if there are none."""
        found = _literal(self.metadata.get("names", ""))
        if isinstance(found, list | tuple):
            found = dict(enumerate(found))
        if not isinstance(found, dict) or set(found) != set(range(len(found))):
            return None
        return found if found and all(isinstance(name, str) and name for name in found.values()) else None

    @property
    def size(self) -> tuple[int, int] | None:
        """Return height and width for which the network was exported, as Ultralytics writes them; None if unknown."""
        found = _literal(self.metadata.get("imgsz", ""))
        good = isinstance(found, list | tuple) and len(found) == 2 and all(type(one) is int for one in found)
        return (found[0], found[1]) if good else None  # type: ignore[index]


def open_onnx(path: Path) -> OnnxFile:
    """
    Parse an ONNX file.

    :raises FileProblem: the file is missing, damaged, of another opset, or the package onnx is not installed.
    """
    if not path.is_file():
        raise FileProblem(f"{path.absolute()} is missing: give the path of an ONNX file")
    try:
        import onnx
    except ImportError:
        raise FileProblem(
            f"{path} can be read with the Python package onnx alone: install it with `pip install onnx` where this "
            "program runs"
        ) from None
    if path.stat().st_size >= _LARGEST:
        raise FileProblem(f"{path} is larger than 2 GB, the limit of the format: export it with external data")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        raise FileProblem(f"{path} cannot be read ({error.strerror}): give the path of an ONNX file") from None
    except Exception:  # protobuf's own error, whose module onnx does not export
        raise FileProblem(f"{path} is no ONNX file, or it is cut off: export or copy it again") from None
    opset = max((one.version for one in model.opset_import if one.domain in STANDARD), default=None)
    if opset is None or not model.graph.node:
        raise FileProblem(f"{path} is no ONNX file, or it is cut off: export or copy it again")
    if opset not in OPSETS:
        raise FileProblem(
            f"{path} has opset {opset} where {OPSETS[0]} to {OPSETS[-1]} are supported: export it again with "
            "opset_version=17"
        )
    if model.functions:
        import onnx.inliner

        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:  # written in C++
            raise FileProblem(f"{path} has functions that cannot be expanded ({error}): export it without") from None
    return OnnxFile(path, model, opset, {entry.key: entry.value for entry in model.metadata_props})


def _literal(text: str) -> object:
    """Return the value of a Python literal; None if it is none."""
    if len(text) > _LONGEST_NAMES:
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
