# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Output of the run: a live table in a terminal, otherwise about one line per second."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from neurosurgeon_ros.cli.demo.matching import Frame

#: Number of frames in the live table.
ROWS = 14

#: Width in characters of the bar that shows how a delay is split.
BAR = 24

#: Seconds between lines if there is no terminal.
LINE_PERIOD_S = 1.0

#: Refresh rate of the live table in Hz. A higher rate would take computing time from the robot and the edge.
REFRESH_HZ = 4.0


@dataclass(frozen=True, slots=True)
class Row:
    """
    A frame as it is shown; delays in milliseconds, NaN if there is none.

    :param front_ms: delay on the robot before the tensors were sent, or the whole delay without an edge.
    :param mean_ms: mean total delay of all frames so far.
    """

    sequence: int
    arm: str
    key_frame: bool
    forced: bool
    front_ms: float
    offload_ms: float
    total_ms: float
    mean_ms: float
    outcome: str
    objects: str


class RunningMean:
    """The mean delay of the frames so far."""

    def __init__(self) -> None:
        self._sum, self._number = 0.0, 0

    def row(self, frame: Frame) -> Row:
        """Make a frame's row."""
        decision = frame.decision
        self._sum, self._number = self._sum + 1e3 * decision.total_delay, self._number + 1
        front = math.fsum(
            delay
            for delay in (
                decision.slot_delay,
                decision.preprocess_delay,
                decision.front_end_delay,
                decision.encode_delay,
                decision.finish_delay,
            )
            if math.isfinite(delay)
        )
        return Row(
            sequence=decision.sequence,
            arm=decision.arm,
            key_frame=decision.key_frame,
            forced=decision.forced,
            front_ms=1e3 * front,
            offload_ms=1e3 * decision.offload_delay,
            total_ms=1e3 * decision.total_delay,
            mean_ms=self._sum / self._number,
            outcome=decision.outcome,
            objects=_objects(frame.detections.names),
        )


class Display(Protocol):
    """Output that shows the run."""

    def say(self, text: str) -> None:
        """Print a line about the current activity or an event."""

    def show(self, row: Row) -> None:
        """Show a frame."""

    def close(self) -> None:
        """Release the terminal."""


class PlainDisplay:
    """Lines, for logs and pipes."""

    def __init__(self, frames: int) -> None:
        self._frames = frames
        self._shown_s = -math.inf

    def say(self, text: str) -> None:
        """Print the line."""
        print(text, flush=True)

    def show(self, row: Row) -> None:
        """Print a line for the frame, unless the last line was printed very recently."""
        if time.monotonic() - self._shown_s < LINE_PERIOD_S:
            return
        self._shown_s = time.monotonic()
        print(
            f"frame {row.sequence}/{self._frames}  {row.arm}  {row.outcome}  robot {row.front_ms:.0f} ms  "
            f"offloading {_ms(row.offload_ms)} ms  total {row.total_ms:.0f} ms  mean {row.mean_ms:.0f} ms  "
            f"{row.objects}",
            flush=True,
        )

    def close(self) -> None:
        """Do nothing."""


class LiveDisplay:
    """A table that follows the run."""

    def __init__(self, frames: int, title: str, console: Console) -> None:
        self._frames = frames
        self._title = title
        self._rows: deque[Row] = deque(maxlen=ROWS)
        self._live = Live(console=console, refresh_per_second=REFRESH_HZ, transient=False, get_renderable=self._render)
        self._live.start()

    def say(self, text: str) -> None:
        """Print the line above the table."""
        self._live.console.print(escape(text), highlight=False)

    def show(self, row: Row) -> None:
        """Add the frame to the table."""
        self._rows.append(row)

    def close(self) -> None:
        """Leave the last state of the table on the screen."""
        self._live.stop()

    def _render(self) -> Group | Text:
        rows = tuple(self._rows)
        if not rows:
            return Text("")
        table = Table(title=self._title, title_justify="left", expand=False, pad_edge=False)
        for name in ("frame", "total", "mean"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("point / codec", no_wrap=True, min_width=14)
        table.add_column("key", justify="center")
        table.add_column("forced", justify="center")
        table.add_column("robot █, offloading ░ [ms]", no_wrap=True, min_width=BAR + 10)
        table.add_column("outcome", no_wrap=True)
        table.add_column("detections", no_wrap=True, overflow="ellipsis", max_width=32)
        longest = max(row.total_ms for row in rows)
        for row in rows:
            table.add_row(
                str(row.sequence),
                f"{row.total_ms:.0f}",
                f"{row.mean_ms:.0f}",
                row.arm,
                "●" if row.key_frame else "",
                "●" if row.forced else "",
                f"{_bar(row, longest)} {row.front_ms:.0f} + {_ms(row.offload_ms)}",
                row.outcome,
                row.objects,
            )
        return Group(table, Text(f"{rows[-1].sequence} of {self._frames} frames"))


def make_display(frames: int, title: str) -> Display:
    """Make the display that suits the output."""
    console = Console()
    if console.is_terminal and sys.stdout.isatty():
        return LiveDisplay(frames, title, console)
    return PlainDisplay(frames)


def print_lines(title: str, lines: Sequence[tuple[str, str]]) -> None:
    """Print the table at the end of the run."""
    console = Console(soft_wrap=not sys.stdout.isatty())
    if not console.is_terminal:
        print(title)
        width = max(len(name) for name, _ in lines)
        for name, text in lines:
            print(f"  {name:{width}}  {text}")
        return
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(name, escape(text))
    console.print(table)


def _objects(names: Sequence[str]) -> str:
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(name if number == 1 else f"{number} {name}" for name, number in counts.items())


def _ms(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else "–"


def _bar(row: Row, longest_ms: float) -> str:
    scale = BAR / max(longest_ms, 1.0)
    total = round(min(row.total_ms, longest_ms) * scale)
    offload = min(total, round(row.offload_ms * scale)) if math.isfinite(row.offload_ms) else 0
    return f"{'█' * (total - offload)}{'░' * offload}".ljust(BAR)
