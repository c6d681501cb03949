# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Open a TorchScript file, as ``torch.jit.save`` writes it; torch does not load it, and nothing in it is executed.

Its functions are parsed from their text, and its weights are read from the archive.
"""

from __future__ import annotations

import ast
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.graphs.builder import Unconvertible
from neurosurgeon_ros.models.torchscript_files.pickles import CLASSES, Reader, ScriptObject

#: Versions of the format, and of its operators, that are read.
VERSIONS = range(3, 11)
#: Maximum size of the text of all functions, in bytes.
_MOST_TEXT = 8_000_000
#: Maximum size of what an exporter wrote about the network, in bytes.
_LARGEST_NOTE = 1_000_000
#: File in which Ultralytics describes the network.
_NOTE = "extra/config.txt"

Functions = dict[str, ast.FunctionDef]


@dataclass(frozen=True, slots=True)
class TorchScriptFile:
    """
    Content of a file.

    :param network: the outermost module.
    :param constants: tensors and others that its functions read.
    :param functions: its functions and methods by full name, such as ``__torch__.models.Net.forward``.
    :param fields: expressions of the attributes that belong to a class, by full name.
    :param version: version of its operators.
    :param example: the input for which the network was traced, without values; None if it was not traced.
    :param note: what the exporter wrote about the network.
    """

    path: Path
    network: ScriptObject
    constants: tuple[Any, ...]
    functions: Functions
    fields: dict[str, ast.expr]
    version: int
    example: torch.Tensor | None
    note: dict[str, Any]

    @property
    def names(self) -> dict[int, str] | None:
        """Return the names of the classes, as Ultralytics writes them; None if there are none."""
        found = self.note.get("names")
        if isinstance(found, list):
            found = {str(index): name for index, name in enumerate(found)}
        if not isinstance(found, dict) or not found or set(found) != set(map(str, range(len(found)))):
            return None
        names = {index: found[str(index)] for index in range(len(found))}
        return names if all(isinstance(name, str) and name for name in names.values()) else None

    @property
    def size(self) -> tuple[int, int] | None:
        """Return height and width for which the network was traced, or exported by Ultralytics; None if unknown."""
        if self.example is not None and self.example.dim() == 4:
            return int(self.example.shape[2]), int(self.example.shape[3])
        found = self.note.get("imgsz")
        good = isinstance(found, list) and len(found) == 2 and all(type(one) is int for one in found)
        return (found[0], found[1]) if good else None  # type: ignore[index]


def is_torchscript(path: Path) -> bool:
    """Return whether a file is a TorchScript program, going by the names in the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # a damaged archive may raise anything; whoever reads the file says so
        return False


def open_torchscript(path: Path) -> TorchScriptFile:
    """
    Read a TorchScript file.

    :raises FileProblem: the file is damaged, of another version, or contains something that is not converted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except FileProblem:
        raise
    except Unconvertible as error:
        raise FileProblem(f"{path} cannot be converted: {error}: export the network to ONNX instead") from None
    except Exception as error:  # a damaged archive, pickle or text raises any exception
        raise FileProblem(f"{path} is damaged or cut off ({error or type(error).__name__}): export it again") from None


def _read(path: Path, archive: zipfile.ZipFile) -> TorchScriptFile:
    root = next(name for name in archive.namelist() if name.endswith("/constants.pkl")).partition("/")[0]
    inside = set(archive.namelist())
    member = next((name for name in (f"{root}/version", f"{root}/.data/version") if name in inside), "version")
    version = int(archive.read(member)[:20])
    if f"{root}/byteorder" in inside and archive.read(f"{root}/byteorder").strip() != b"little":
        raise Unconvertible("its weights are big-endian")
    if version not in VERSIONS:
        raise FileProblem(
            f"{path} has version {version} where {VERSIONS[0]} to {VERSIONS[-1]} are read: export it again with torch "
            f"{torch.__version__.partition('+')[0]}"
        )
    functions: Functions = {}
    fields: dict[str, ast.expr] = {}
    texts = [one for one in archive.infolist() if one.filename.startswith(f"{root}/code/{CLASSES}")]
    texts = [one for one in texts if one.filename.endswith(".py")]
    if sum(one.file_size for one in texts) > _MOST_TEXT:
        raise Unconvertible(f"its functions have more than {_MOST_TEXT:,} bytes")
    for one in texts:
        module = one.filename.removeprefix(f"{root}/code/").removesuffix(".py").replace("/", ".")
        _parse(archive.read(one).decode(), module, functions, fields)
    reader = Reader(archive, root)
    network, constants = reader.read("data"), reader.read("constants")
    if not isinstance(network, ScriptObject) or not isinstance(constants, tuple):
        raise Unconvertible("it holds no network")
    return TorchScriptFile(path, network, constants, functions, fields, version, reader.example(), _note(archive, root))


def _parse(text: str, module: str, functions: Functions, fields: dict[str, ast.expr]) -> None:
    """Find the functions in a text, and those of its classes."""
    for outer in ast.parse(text).body:
        if isinstance(outer, ast.FunctionDef):
            functions[f"{module}.{outer.name}"] = outer
        elif isinstance(outer, ast.ClassDef):
            for inner in outer.body:
                if isinstance(inner, ast.FunctionDef):
                    functions[f"{module}.{outer.name}.{inner.name}"] = inner
                elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name) and inner.value:
                    fields[f"{module}.{outer.name}.{inner.target.id}"] = inner.value


def _note(archive: zipfile.ZipFile, root: str) -> dict[str, Any]:
    member = f"{root}/{_NOTE}"
    if member not in archive.namelist() or archive.getinfo(member).file_size > _LARGEST_NOTE:
        return {}
    try:
        found = json.loads(archive.read(member))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
