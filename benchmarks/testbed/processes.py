# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The processes of one run on both sides of a link, each pinned to the cores of its side."""

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

#: Seconds that processes have to end after each signal.
GRACE_S = 2.0

#: Folder that contains this package. Processes run in it, so that they find the package.
HOME = Path(__file__).resolve().parent.parent


class Processes:
    """
    Starts processes. The context manager ends them at its end.

    :param logs: folder of their logs.
    """

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
        """Start a node of neurosurgeon_ros."""
        from ament_index_python.packages import get_package_prefix

        executable = Path(get_package_prefix("neurosurgeon_ros")) / "lib" / "neurosurgeon_ros" / name
        arguments = [str(executable), "--ros-args"]
        for source, target in (remappings or {}).items():
            arguments += ["-r", f"{source}:={target}"]
        for parameter, value in parameters.items():
            arguments += ["-p", f"{parameter}:={json.dumps(value)}"]
        return self.start(side, name, arguments)

    def module(self, side: Side, name: str, task: Any) -> subprocess.Popen[str]:
        """Start a program of the testbed with its task as argument."""
        return self.start(side, name, [sys.executable, "-m", f"testbed.{name}", json.dumps(asdict(task))])

    def start(self, side: Side, name: str, argv: list[str]) -> subprocess.Popen[str]:
        """Start a process on a side. Its errors go to a log; its input and output are pipes."""
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", **self._network.environment()}
        environment.pop("ROS_LOCALHOST_ONLY", None)  # it would override the discovery range
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
        """Return the ids of the running processes of a side."""
        return [process.pid for where, process in self._started if where is side and process.poll() is None]

    def ended(self) -> str:
        """Return a sentence about a process that has ended; empty if none has."""
        for _, process in self._started:
            if process.poll() is not None:
                return f"`{' '.join(map(str, process.args))}` has ended with exit code {process.returncode}"
        return ""

    def close(self) -> None:
        """Interrupt every process, and kill those that do not end."""
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
