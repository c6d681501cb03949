# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How the tests run the commands of the documentation: as they stand, with options that shorten them."""

from __future__ import annotations

from dataclasses import dataclass

from pages import Block


@dataclass(frozen=True)
class Way:
    """
    The way to run one kind of command.

    :param by: program that runs it.
    :param more: options added at the end, so that it takes seconds.
    :param beside: command that runs at the same time.
    :param needs_run: whether it reads what a demo has left in out/demo.
    :param until_interrupted: whether it runs until Ctrl-C, which comes when the command beside it has ended.
    :param codes: exit codes of a run without fault.
    :param quick: whether it takes few seconds; the others are run by `make test-full`.
    """

    by: str = ""
    more: str = ""
    beside: str = ""
    needs_run: bool = False
    until_interrupted: bool = False
    codes: tuple[int, ...] = (0,)
    quick: bool = False


_DEMO = "neurosurgeon demo --frames 25 --robot-speed 1"

#: By the first words of a command; the longest that fit count.
WAYS = {
    "export": Way(quick=True),
    # A dry run reads the Makefile. What the targets run is run here by its own command, or is the run of these tests.
    "make": Way(more="--dry-run", quick=True),
    ".ci/run": Way("bash -n", quick=True),
    "./neurosurgeon demo": Way(more="--frames 25"),
    "./neurosurgeon demo --view": Way(more="--view-port 0 --frames 25"),
    "./neurosurgeon record": Way(beside=_DEMO, until_interrupted=True),
    "./neurosurgeon report": Way(),
    # Warnings and errors about this machine give 1.
    "./neurosurgeon doctor": Way(beside=_DEMO, codes=(0, 1)),
    "./neurosurgeon partitions": Way(quick=True),
    "./neurosurgeon verify": Way(),
    "./neurosurgeon calibrate": Way(more="--most 2 --no-memory --out ."),
    "./neurosurgeon compare": Way(more="--policies edge_only --frames 25"),
    "./neurosurgeon experiment": Way(more="--seeds 1"),
    "./neurosurgeon profile": Way(more="--repeats 1"),
    "./neurosurgeon replay": Way(needs_run=True),
}


def way_of(command: str) -> Way | None:
    """Return the way to run a command; None if there is none."""
    fitting = [words for words in WAYS if f"{command} ".startswith(f"{words} ")]
    return WAYS[max(fitting, key=len)] if fitting else None


def run_elsewhere(block: Block) -> bool:
    """Return whether test_own_network.py runs a block: those between fences, with the files that their page shows."""
    return block.fenced and block.page == "docs/your-own-network.md"
