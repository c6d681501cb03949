# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Findings as one screen, and as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurosurgeon_ros.doctor.finding import Finding, State

#: Width in characters if the output is not a terminal.
_WIDTH = 80

_STYLES = {State.OK: "green", State.WARNING: "yellow", State.ERROR: "bold red", State.SKIPPED: "dim"}


def is_well(findings: Sequence[Finding]) -> bool:
    """Return whether the user need not do anything."""
    return all(one.state in (State.OK, State.SKIPPED) for one in findings)


def show(findings: Sequence[Finding], took_s: float) -> None:
    """
    Print one line for each finding, and below it what to do.

    :param took_s: seconds that looking took.
    """
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in findings:
        style = _STYLES[one.state]
        text = Text(one.what, style="dim" if one.state is State.SKIPPED else "")
        if one.what_to_do:
            text.append(f"\n→ {one.what_to_do}", style=style)
        table.add_row(Text(one.state.value, style=style), one.name, text)
    console.print(table)
    console.print(Text(f"\n{_summary(findings)} (looked for {took_s:.1f} s)"))


def to_json(findings: Sequence[Finding], took_s: float) -> str:
    """
    Return the findings as JSON.

    :param took_s: seconds that looking took.
    """
    rows = [{**asdict(one), "state": one.state.value} for one in findings]
    return json.dumps({"seconds": round(took_s, 3), "findings": rows}, indent=1, ensure_ascii=False) + "\n"


def _summary(findings: Sequence[Finding]) -> str:
    counts = [(word, sum(one.state is state for one in findings)) for word, state in _COUNTED]
    said = [f"{number} {word}{'s' if number != 1 else ''}" for word, number in counts if number]
    if not said:
        return "Nothing to do"
    return f"{' and '.join(said)}: begin with the first" if sum(number for _, number in counts) > 1 else said[0]


_COUNTED = (("error", State.ERROR), ("warning", State.WARNING))
