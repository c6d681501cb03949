# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a person sees of set-up: a line per step, what goes on inside a long one, and the reason when one fails."""

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
    """Set-up cannot go on; the message is one sentence that says what is wrong and how to mend it."""


class Reporter:
    """Prints steps with the seconds since the start; on a terminal the last line shows what goes on."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._last_plain = self._start
        self._shown = False

    def step(self, text: str) -> None:
        """Say that a step begins or what came of it."""
        self._clear()
        print(f"{self._elapsed()} {text}", file=sys.stderr, flush=True)
        self._last_plain = time.monotonic()

    def detail(self, text: str) -> None:
        """Show what goes on inside a step: on a terminal at once, elsewhere a line now and then."""
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
            print(f"\r\033[K{self._elapsed()}   {text}"[: width + 3], end="", file=sys.stderr, flush=True)
            self._shown = True
        elif time.monotonic() - self._last_plain >= PLAIN_INTERVAL_S:
            self.step(f"  {text}")

    def problem(self, text: str) -> None:
        """Say why set-up stops."""
        self._clear()
        print(f"setup: {text}", file=sys.stderr, flush=True)

    def tail(self, log: Path) -> None:
        """Show the end of a log."""
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
    Run a command with its output in a log file.

    The command runs in a process group of its own, which is ended whole when set-up is interrupted.

    :param command: program and arguments
    :param log: the file, overwritten
    :param detail: makes of a line of output what to show of it, or None
    :param cwd: where it runs
    :param environment: all its variables
    :returns: its exit status
    :raises Problem: when it cannot be started
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
                close_fds=False,  # hands the locks on, which alone are inheritable
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
    """Show the newest detail again each second, so that the seconds go on while nothing else happens."""
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
