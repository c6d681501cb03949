# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processes of one run on the two sides of a link, each pinned to its side's cores, and their orderly end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from testbed.machine import Cores, on_cores
from testbed.network import Network, Side

#: Seconds that processes have to end by themselves.
GRACE_S = 2.0

#: Where this package lies: processes run here, so that they find it.
HOME = Path(__file__).resolve().parent.parent


class Processes:
    """A context manager that ends at its end what it has started."""

    def __init__(self, network: Network, cores: Cores, logs: Path) -> None:
        self._network = network
        self._cores = cores
        self._logs = logs
        self._started: list[tuple[Side, subprocess.Popen[str]]] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def node(
        self, side: Side, name: str, parameters: Mapping[str, object], remappings: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start one of this package's nodes."""
        from ament_index_python.packages import get_package_prefix

        executable = Path(get_package_prefix("neurosurgeon_ros")) / "lib" / "neurosurgeon_ros" / name
        arguments = [str(executable), "--ros-args"]
        for source, target in (remappings or {}).items():
            arguments += ["-r", f"{source}:={target}"]
        for parameter, value in parameters.items():
            arguments += ["-p", f"{parameter}:={json.dumps(value)}"]
        return self.start(side, name, arguments)

    def module(self, side: Side, name: str, task: Any) -> subprocess.Popen[str]:
        """Start one of the testbed's programs with its task."""
        return self.start(side, name, [sys.executable, "-m", f"testbed.{name}", json.dumps(asdict(task))])

    def start(self, side: Side, name: str, argv: list[str]) -> subprocess.Popen[str]:
        """Start a process on a side, with its errors in a log and its output and input in pipes."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self._network.environment()}
        environment.pop("ROS_LOCALHOST_ONLY", None)  # it would win over the range
        environment["ROS_LOG_DIR"] = str(self._logs / "ros")
        with (self._logs / f"{name}.log").open("a", encoding="utf-8") as log, on_cores(self._cores.of(side)):
            process = subprocess.Popen(
                self._network.command(side, argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=HOME,
                env=environment,
                start_new_session=True,
            )
        self._started.append((side, process))
        return process

    def pids(self, side: Side) -> list[int]:
        """Return the processes of a side that run."""
        return [process.pid for where, process in self._started if where is side and process.poll() is None]

    def ended(self) -> str:
        """Say which process has ended, and how; empty if none has."""
        for _, process in self._started:
            if process.poll() is not None:
                return f"`{' '.join(map(str, process.args))}` has ended with exit code {process.returncode}"
        return ""

    def close(self) -> None:
        """Ask every process to end, and kill those that do not."""
        running = [process for _, process in self._started if process.poll() is None]
        for number, seconds in ((signal.SIGINT, GRACE_S), (signal.SIGKILL, GRACE_S)):
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGCONT)
                    os.killpg(process.pid, number)
            until_s = time.monotonic() + seconds
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, until_s - time.monotonic()))
            running = [process for process in running if process.poll() is None]
        for _, process in self._started:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        self._started = []
