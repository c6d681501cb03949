# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Refuse files with pickled networks, such as Ultralytics' ``yolov8n.pt``, and programs where weights are expected.

The names of the classes in a pickle are read from its opcodes. Nothing is unpickled.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from neurosurgeon_ros.models.files import FileProblem

#: Modules whose classes a state dict needs.
_PLAIN = ("torch", "collections", "numpy", "_codecs", "builtins", "__builtin__", "copyreg", "copy_reg")
#: Modules of torch with classes that a state dict does not need: those of networks.
_NETWORKS = ("torch.nn.modules", "torch.fx", "torch.jit")
#: Maximum size of a pickle that is looked at, in bytes; those of state dicts are far smaller.
_LARGEST = 16_000_000
#: Number of pickles at the start of a file that torch wrote before version 1.6; the fourth is the object.
_LEGACY_PICKLES = 4

HOW_TO_EXPORT = (
    "export the network where its code is installed, to ONNX, TorchScript, or with torch.export.save("
    "torch.export.export(network.eval(), (example,)), 'FILE.pt2'), and give that file as the model"
)


def refuse_checkpoint(path: Path) -> None:
    """
    Refuse a file that was given as a network and is no program.

    :raises FileProblem: always; the message says what the file is, and how to export the network.
    """
    if not path.is_file():
        raise FileProblem(f"{path.absolute()} is missing: give the path of a TorchScript program")
    refuse_code(path)
    raise FileProblem(
        f"{path} holds no network, at most its weights: give it as the weights, and as the model a factory "
        f"package.module:function, or {HOW_TO_EXPORT}"
    )


def refuse_code(path: Path) -> None:
    """
    Refuse a file that contains a pickled network or a TorchScript program; any other file passes.

    :raises FileProblem: the file contains code; the message says how to export the network.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                inside = archive.namelist()
                if any(name.endswith("/constants.pkl") for name in inside):
                    raise FileProblem(
                        f"{path} is a TorchScript program where weights are expected: give it as the model"
                    )
                pickles = [name for name in inside if name.endswith("data.pkl")]
                found = None
                if pickles and archive.getinfo(pickles[0]).file_size <= _LARGEST:
                    with archive.open(pickles[0]) as stream:
                        found = _foreign_class(stream, 1)
        else:
            with path.open("rb") as stream:
                found = _foreign_class(stream, _LEGACY_PICKLES) if stream.read(1) == b"\x80" else None
    except FileProblem:
        raise
    except Exception:  # a damaged archive may raise anything; whoever reads the file says so
        return
    if found is not None:
        raise FileProblem(
            f"{path} is a checkpoint with a pickled {found}, which is not unpickled, because that could run any code: "
            f"{HOW_TO_EXPORT}"
        )


def _foreign_class(stream: IO[bytes], number: int) -> str | None:
    """Return the first class in the first pickles of a stream that a state dict does not need."""
    stream.seek(0)
    try:
        for _ in range(number):
            for name in _classes(stream):
                root = name.split(".", 1)[0]
                if root not in _PLAIN or name.startswith(_NETWORKS):
                    return name
    except Exception:  # a damaged pickle may raise anything; whoever reads the file says so
        return None
    return None


def _classes(stream: IO[bytes]) -> Iterator[str]:
    """Yield the names of the classes and functions that a pickle would import."""
    strings: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)
