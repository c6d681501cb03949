# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""TorchScript files made by torch.jit, and what torch.jit computes with them."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

#: Ways of making a program.
TRACED, SCRIPTED, FROZEN = "traced", "scripted", "frozen"


def save(
    network: nn.Module,
    example: torch.Tensor,
    path: Path,
    how: str = TRACED,
    note: Mapping[str, str] | None = None,
) -> torch.jit.ScriptModule:
    """
    Save a network as a TorchScript file.

    :param note: further files in the archive, by name.
    :returns: the program.
    """
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        made = torch.jit.script(network) if how == SCRIPTED else torch.jit.trace(network, example, strict=False)
        if how == FROZEN:
            made = torch.jit.freeze(made)
        torch.jit.save(made, str(path), _extra_files=dict(note or {}))
    return made


def leaves(outputs: Any) -> list[torch.Tensor]:
    """Return the tensors in nested lists, tuples and dicts."""
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    parts = outputs.values() if isinstance(outputs, dict) else outputs
    return [leaf for part in parts for leaf in leaves(part)]


def largest_difference(outputs: Any, wanted: Any) -> float:
    """Return the largest difference of outputs, in shares of the range of each; infinite for other shapes or types."""
    differences = [0.0]
    for one, other in zip(leaves(outputs), leaves(wanted), strict=True):
        if one.shape != other.shape or one.dtype != other.dtype:
            return float("inf")
        mine, theirs = one.double(), other.double()
        differences.append(float((mine - theirs).abs().max() / theirs.abs().max().clamp(min=1e-6)))
    return max(differences)


def replaced(path: Path, changes: Mapping[str, bytes | None]) -> Path:
    """Write a copy of a file in which members of the archive are exchanged, by the end of their name, or left out."""
    copy = path.with_name(f"changed_{path.name}")
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(copy, "w") as made:
        for member in given.infolist():
            ends = [end for end in changes if member.filename.endswith(end)]
            content = changes[ends[0]] if ends else given.read(member)
            if content is not None:
                made.writestr(member.filename, content)
    return copy
