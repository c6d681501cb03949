# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Set-up's output: one line per step, the progress of a long step, and the reason if a step fails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

TAIL_LINES = 15
PLAIN_INTERVAL_S = 10.0


class Problem(Exception):
    """Set-up cannot continue. The message is one sentence that names the problem and its solution."""


class Reporter:
    """Prints steps with the seconds since the start. On a terminal, the last line shows the current progress."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._last_plain = self._start
        self._shown = False

    def step(self, text: str) -> None:
        """Print that a step begins, or its result."""
        self._clear()
        print(f"{self._elapsed()} {text}", file=sys.stderr, flush=True)
        self._last_plain = time.monotonic()

    def detail(self, text: str) -> None:
        """Show the progress of a step: on a terminal at once, elsewhere one line at intervals."""
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            print(f"\r\033[K{self._elapsed()}   {text}"[: width + 3], end="", file=sys.stderr, flush=True)
            self._shown = True
        elif time.monotonic() - self._last_plain >= PLAIN_INTERVAL_S:
            self.step(f"  {text}")

    def problem(self, text: str) -> None:
        """Print why set-up stops."""
        self._clear()
        print(f"setup: {text}", file=sys.stderr, flush=True)

    def tail(self, log: Path) -> None:
        """Print the last lines of a log."""
        self._clear()
        with log.open(errors="replace") as stream:
            for line in deque(stream, TAIL_LINES):
                print(f"    {line.rstrip()}", file=sys.stderr)

    def _elapsed(self) -> str:
        return f"[{time.monotonic() - self._start:6.1f} s]"

    def _clear(self) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._shown = False


def run_logged(
    command: Sequence[str | Path],
    *,
    log: Path,
    reporter: Reporter,
    detail: Callable[[str], str | None],
    cwd: Path,
    environment: Mapping[str, str],
) -> int:
    """
    Run a command and write its output to a log file.

    The command runs in its own process group, which is terminated as a whole if set-up is interrupted.

    :param command: program and arguments
    :param log: the log file, which is overwritten
    :param detail: returns the text to show for a line of output, or None
    :param cwd: working directory of the command
    :param environment: all environment variables of the command
    :returns: the command's exit status
    :raises Problem: if it cannot be started
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as record:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
                close_fds=False,  # passes on the locks, the only inheritable descriptors
            )
        except OSError as error:
            raise Problem(f"{command[0]} cannot be started: {error.strerror}.") from None
        with _ended_on_interrupt(process), _ticking(reporter) as show:
            assert process.stdout is not None
            for line in process.stdout:
                record.write(line)
                record.flush()
                text = detail(line.rstrip())
                if text:
                    show(text)
            return process.wait()


@contextlib.contextmanager
def _ended_on_interrupt(process: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for number, patience_s in ((signal.SIGINT, 1.0), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()


@contextlib.contextmanager
def _ticking(reporter: Reporter) -> Iterator[Callable[[str], None]]:
    """Repeat the newest detail every second, so that the elapsed time is updated while there is no output."""
    newest = [""]
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(1.0):
            if newest[0]:
                reporter.detail(newest[0])

    def show(text: str) -> None:
        newest[0] = text

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield show
    finally:
        ended.set()
        thread.join()
