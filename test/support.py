# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Support for tests with processes: a private ROS domain, and nodes that are started, watched and ended."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from neurosurgeon_ros.ros.process.stale_memory import remove_dead_memory, remove_unused_ports

# Above 101, the ports of a domain can overlap with Linux's ephemeral ports. 0 is the default domain of everybody.
DOMAINS = range(1, 101)
ENDING_S = 10.0
POLL_S = 0.02
_HELD = contextlib.ExitStack()
atexit.register(_HELD.close)


@contextlib.contextmanager
def private_domain(folder: Path | None = None) -> Iterator[int]:
    """
    Hold a ROS domain id that no other test on this machine uses, in any checkout.

    :param folder: folder of the lock files; None: the machine's folder for temporary files
    :raises RuntimeError: if all are in use
    """
    place = folder or Path(tempfile.gettempdir())
    # Each process begins at another id, so that parallel tests seldom try the same one.
    first = os.getpid() % len(DOMAINS)
    for domain in (*DOMAINS[first:], *DOMAINS[:first]):
        with contextlib.ExitStack() as stack:
            try:
                lock = os.open(place / f"neurosurgeon-ros-domain-{domain}.lock", os.O_RDWR | os.O_CREAT, 0o666)
            except PermissionError:
                continue
            stack.callback(os.close, lock)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            try:
                yield domain
            finally:
                remove_dead_memory()
                remove_unused_ports()
            return
    raise RuntimeError(f"all ROS domain ids from {DOMAINS[0]} to {DOMAINS[-1]} are held by other tests")


def hold_domain() -> None:
    """Hold a domain until this process ends, for launch tests, which start their nodes outside of fixtures."""
    os.environ["ROS_DOMAIN_ID"] = str(_HELD.enter_context(private_domain()))
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


def wait_for(condition: Callable[[], object], timeout: float, what: str) -> None:
    """
    Wait until a condition holds.

    :param condition: called repeatedly
    :param timeout: seconds
    :param what: name of the condition, for the message
    :raises TimeoutError: if it does not hold in time
    """
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(POLL_S)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Block signals while programs start, so that a signal waits until they handle it: children inherit the mask."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True)
class Process:
    """
    A started program.

    :param name: name of its log
    :param popen: the process, leader of its own process group
    :param log: file of its output
    """

    name: str
    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        """Return everything that it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for_output(self, text: str, timeout: float = 60.0) -> None:
        """
        Wait until it has printed a text.

        :raises TimeoutError: if it does not print the text in time, or ends first
        """

        def there() -> bool:
            ended = self.popen.poll() is not None
            if text in self.output:
                return True
            if ended:
                raise TimeoutError(f"{self.name} ended with {self.popen.returncode} before it printed {text!r}")
            return False

        wait_for(there, timeout, f"{text!r} from {self.name}")

    def memory_kb(self, field: str) -> int:
        """Return a field of its memory in kB: VmRSS, RssAnon, RssFile or RssShmem, see proc_pid_status(5)."""
        for line in Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
        raise AssertionError(f"{self.name} has no {field}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to its process group. Does nothing if the group has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def abort(self) -> None:
        """End it now if it still runs; its log then has its threads, and where they are in a Python program."""
        if self.popen.poll() is None:
            with self.log.open("a") as log, contextlib.suppress(OSError):
                for task in Path(f"/proc/{self.popen.pid}/task").iterdir():
                    name, fields = (task / "comm").read_text().strip(), (task / "stat").read_text().rpartition(")")[2]
                    state, seconds = fields.split()[0], sum(map(int, fields.split()[11:13])) / os.sysconf("SC_CLK_TCK")
                    log.write(f"thread {task.name} {name}: {state}, {seconds:.2f} s of processor time\n")
            self.popen.send_signal(signal.SIGABRT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(ENDING_S)

    def end(self, number: signal.Signals = signal.SIGINT, timeout: float = ENDING_S) -> int:
        """
        Ask it to end, and kill it if it does not.

        :returns: its exit status
        """
        if self.popen.poll() is None:
            self.send(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(timeout)
        # This also ends what it has left behind in its process group.
        self.send(signal.SIGKILL)
        return self.popen.wait()


class Processes:
    """
    Starts programs for a test, and ends them after it.

    :param folder: folder of their logs
    :param environment: variables that override those of the test's process
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self.started: list[Process] = []

    def start(
        self,
        program: str,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        keep_signals: bool = False,
    ) -> Process:
        """
        Start a program, such as `edge_node`, found on the PATH.

        :param arguments: its command-line arguments
        :param environment: additional variables
        :param keep_signals: start it with SIGINT and SIGTERM blocked; the executables of this package expect this and
            unblock them, so that no signal is lost or kills the interpreter while it starts
        """
        name = f"{len(self.started)}-{Path(program).name}"
        log = self._folder / f"{name}.log"
        stream: IO[bytes]
        with log.open("ab") as stream, _signals_kept() if keep_signals else contextlib.nullcontext():
            popen = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONFAULTHANDLER": "1",
                    **self._environment,
                    **(environment or {}),
                },
                start_new_session=True,
            )
        process = Process(name, popen, log)
        self.started.append(process)
        return process

    def end_all(self) -> None:
        """End all programs, the newest first."""
        for process in self.started:
            if process.popen.poll() is None:
                process.send(signal.SIGINT)
        for process in reversed(self.started):
            process.end()
