# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Save the learnt state of a policy, and restore it at the next start of the robot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.learning.interface import Policy

#: Version of the files; files of other versions are refused.
VERSION = 1


@runtime_checkable
class Stateful(Protocol):
    """A policy that can be saved and reloaded."""

    def state(self) -> dict[str, Any]:
        """Return the learnt state as JSON-compatible values."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a learnt state; raise ValueError if it does not fit."""


def save_state(path: Path, policy: Policy, *, name: str, model: str, arms: tuple[str, ...]) -> bool:
    """
    Write the learnt state of a policy to a file, completely or not at all.

    :param path: JSON file; its folder is created if needed.
    :param policy: the policy.
    :param name: its registered name.
    :param model: fingerprint of the network's graph and weights.
    :param arms: names of the arms, in order.
    :returns: whether the policy has a state to save; otherwise nothing is written.
    :raises OSError: if the file cannot be written.
    """
    if not isinstance(policy, Stateful):
        return False
    document = {"version": VERSION, "policy": name, "model": model, "arms": list(arms), "state": policy.state()}
    write_text_atomically(path, json.dumps(document))
    return True


def load_state(path: Path, policy: Policy, *, name: str, model: str, arms: tuple[str, ...]) -> None:
    """
    Restore the learnt state of a policy from a file.

    :param path: JSON file that :func:`save_state` wrote.
    :param policy: a fresh policy.
    :param name: its registered name.
    :param model: fingerprint of the network's graph and weights.
    :param arms: names of the arms, in order.
    :raises ValueError: if the file has a different version, policy, model or set of arms, or is not such a file. The
        policy must then be discarded, because it may be partly restored.
    :raises OSError: if the file cannot be read.
    """
    if not isinstance(policy, Stateful):
        raise ValueError(f"policy {name} has no state to restore from {path}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        found = tuple(document[key] for key in ("version", "policy", "model", "arms"))
        state = document["state"]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ValueError(f"{path} is no saved state of a policy ({type(problem).__name__}); delete it") from problem
    for what, was, must in zip(
        ("version", "policy", "model", "arms"), found, (VERSION, name, model, list(arms)), strict=True
    ):
        if was != must:
            raise ValueError(
                f"{path} is a state of {what} {was!r}, but {what} {must!r} is in use; delete it, or name another"
            )
    try:
        policy.restore(state)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as problem:
        raise ValueError(f"{path} does not fit policy {name}: {problem}; delete it") from problem
