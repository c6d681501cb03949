# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The demo's nodes as processes: each has its own process group and log, and ends within a bounded time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds that all processes together have to end by themselves.
GRACE_S = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Child:
    """A node's process. It leads its own group, so that Ctrl-C in the terminal reaches it only through the demo."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def ended(self) -> bool:
        """Return whether the process has ended, for any reason."""
        return self.process.poll() is not None

    @property
    def last_words(self) -> str:
        """Return the last line of its log without ROS's prefix; empty if the log is empty."""
        lines = self.log.read_text(errors="replace").splitlines()
        line = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return line.rpartition("]: ")[2] if line.startswith("[") else line

    @property
    def end_in_words(self) -> str:
        """Return a description of how the process ended."""
        code = self.process.returncode
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        return f"{self.name} has ended with {how}: {self.last_words or 'it said nothing'} (see {self.log})"

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process's group; do nothing if the group is gone."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def start_node(
    name: str,
    parameters: Mapping[str, object],
    *,
    logs: Path,
    environment: Mapping[str, str],
    remappings: Mapping[str, str] | None = None,
) -> Child:
    """
    Start one of this package's nodes.

    :param name: name of the executable in lib/neurosurgeon_ros.
    :param logs: folder for its log, which receives all its output.
    :param environment: variables that override those of this process.
    :raises FileNotFoundError: if the package is not built, or its set-up file is not sourced.
    """
    arguments = ["--ros-args"]
    for source, target in (remappings or {}).items():
        arguments += ["-r", f"{source}:={target}"]
    for parameter, value in parameters.items():
        # JSON is valid YAML, and keeps strings as strings whatever they contain.
        arguments += ["-p", f"{parameter}:={json.dumps(value, ensure_ascii=False)}"]
    log = logs / f"{name}.log"
    with log.open("wb") as stream, _signals_kept():
        process = subprocess.Popen(
            [str(_executable(name)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
            start_new_session=True,
        )
    return Child(name, process, log)


def ask_to_end(children: Sequence[Child]) -> float:
    """
    Send SIGINT to every process that is still running.

    :returns: the time, in monotonic seconds, by which they have to end.
    """
    for child in children:
        if not child.ended:
            child.send(signal.SIGINT)
    return time.monotonic() + GRACE_S


def wait_for_end(children: Sequence[Child], until_s: float) -> None:
    """Wait for processes that were asked to end, and kill those still running at `until_s`, monotonic seconds."""
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.process.wait(max(0.0, until_s - time.monotonic()))
    for child in children:
        if not child.ended:
            child.send(signal.SIGKILL)
            child.process.wait()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Start processes with SIGINT and SIGTERM blocked. The executables unblock them when they can handle them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _executable(name: str) -> Path:
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    try:
        path = Path(get_package_prefix("neurosurgeon_ros")) / "lib" / "neurosurgeon_ros" / name
    except PackageNotFoundError:
        path = Path()
    if not path.is_file():
        raise FileNotFoundError(
            f"the executable {name} of neurosurgeon_ros is not there: build the package, and source its set-up file"
        )
    return path
