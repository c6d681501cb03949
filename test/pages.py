# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands that the documentation shows, in the blocks of its pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

#: What a block may need that tests do not have. A page says so in a comment before the block: <!-- needs: root -->.
NEEDS = ("another package", "hardware", "native ROS 2", "root")

#: Languages of fenced blocks that are commands. An indented block is always one of commands.
_SHELLS = ("sh", "bash", "console")
_MARK = re.compile(r"<!-- needs: (.*) -->")


@dataclass(frozen=True)
class Block:
    """
    A block of commands on a page.

    :param page: path of the page, relative to the repository.
    :param line: number of the block's first line.
    :param needs: one of :data:`NEEDS`, or empty if a test can run the commands.
    :param commands: the commands, one a line, without comments, prompts and what they print.
    :param fenced: whether the block stands between fences.
    """

    page: str
    line: int
    needs: str
    commands: tuple[str, ...]
    fenced: bool


def blocks() -> list[Block]:
    """Return the blocks of commands of all pages, in their order."""
    return [
        block for page in PAGES for block in blocks_of(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))
    ]


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Yield the blocks of commands in the text of a page."""
    language, needs, start = "", "", 0
    lines: list[str] = []
    for number, line in enumerate([*text.splitlines(), ""], 1):
        if language:  # within a fenced block
            if line != "```":
                lines.append(line)
                continue
            if language in _SHELLS:
                yield Block(page, start, needs, tuple(commands(lines)), fenced=True)
            language, needs, lines = "", "", []
        elif line.startswith("```"):
            language, start = line[3:].strip() or "none", number + 1
        elif line.startswith("    "):
            start = start if lines else number
            lines.append(line[4:])
        elif not line:
            continue  # an empty line ends no block: what follows does
        else:
            if lines:
                yield Block(page, start, needs, tuple(commands(lines)), fenced=False)
                needs, lines = "", []
            mark = _MARK.fullmatch(line)
            needs = mark[1] if mark else ""
    if lines:
        yield Block(page, start, needs, tuple(commands(lines)), fenced=False)


def commands(lines: list[str]) -> Iterator[str]:
    """Yield the commands of a block. Where lines have a prompt, the others are what was printed."""
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines)).splitlines()
    prompts = any(line.startswith("$ ") for line in joined)
    for line in joined:
        command = re.sub(r"(^|\s+)# .*", "", line.removeprefix("$ ")).strip()
        if command and (line.startswith("$ ") or not prompts):
            yield command
