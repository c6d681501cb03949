# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The result of one check."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.Enum):
    """Whether a user has to act: now (ERROR), to make it better (WARNING), not at all (OK), or it is unknown."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    The result of one check, one line of the screen.

    :param name: one or two words.
    :param what: what was found, or why the check was skipped, in one sentence.
    :param what_to_do: the remedy, in one sentence; empty if the user need not act.
    """

    name: str
    state: State
    what: str
    what_to_do: str = ""


def ok(name: str, what: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(name, State.OK, what)


def skipped(name: str, why: str) -> Finding:
    """Return the finding of a check that could not be made."""
    return Finding(name, State.SKIPPED, why)


def warning(name: str, what: str, what_to_do: str) -> Finding:
    """Return a finding about something that works, and could work better."""
    return Finding(name, State.WARNING, what, what_to_do)


def error(name: str, what: str, what_to_do: str) -> Finding:
    """Return a finding about something that does not work."""
    return Finding(name, State.ERROR, what, what_to_do)
