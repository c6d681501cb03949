# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The interpreter that set-up chooses, with fake interpreters on the PATH."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import probe_interpreter
import pytest

TOOLS = ("dirname", "readlink", "sh")


class Machine:
    """A checkout with set-up's launcher, and a PATH that contains only fake interpreters."""

    def __init__(self, folder: Path, root: Path) -> None:
        self.checkout = folder / "checkout"
        self.path = folder / "bin"
        (self.checkout / "tools").mkdir(parents=True)
        self.path.mkdir()
        shutil.copy(root / "tools" / "setup", self.checkout / "tools")
        for name in TOOLS:
            (self.path / name).symlink_to(str(shutil.which(name)))

    def add(self, name: str, answer: str, status: int) -> None:
        """Add an interpreter to the PATH that answers the probe as given, or prints its name and arguments."""
        self.script(
            self.path / name,
            f'case "$*" in *probe_interpreter.py) echo "{answer}"; exit {status};; esac\necho "{name} ran: $*"',
        )

    @staticmethod
    def script(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def set_up(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / "tools" / "setup", "--quiet"],
            env={"PATH": str(self.path)},
            capture_output=True,
            text=True,
            timeout=30,
        )


@pytest.fixture
def machine(tmp_path: Path, root: Path) -> Machine:
    return Machine(tmp_path, root)


def test_newest_suitable_interpreter_is_taken(machine: Machine) -> None:
    machine.add("python3", "3.11", 0)
    machine.add("python3.11", "3.11", 0)
    machine.add("python3.12", "3.12", 0)
    assert machine.set_up().stdout.startswith("python3.12 ran:")


def test_newest_is_found_under_a_plain_name(machine: Machine) -> None:
    machine.add("python3.11", "3.11", 0)
    machine.add("python", "3.12", 0)
    assert machine.set_up().stdout.startswith("python ran:")


def test_name_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.script(machine.path / "python3.12", "echo 'pyenv: python3.12: command not found' >&2; exit 127")
    machine.add("python3", "3.11", 0)
    assert machine.set_up().stdout.startswith("python3 ran:")


def test_arguments_are_handed_on(machine: Machine) -> None:
    machine.add("python3.12", "3.12", 0)
    assert machine.set_up().stdout.rstrip().endswith("setup_environment.py --quiet")


def test_interpreter_of_the_environment_comes_first(machine: Machine) -> None:
    machine.add("python3.12", "3.12", 0)
    machine.script(machine.checkout / ".venv" / "bin" / "python", "echo own")
    assert machine.set_up().stdout == "own\n"


def test_broken_interpreter_of_the_environment_is_passed_over(machine: Machine) -> None:
    machine.add("python3.12", "3.12", 0)
    machine.script(machine.checkout / ".venv" / "bin" / "python", "exit 1")
    assert machine.set_up().stdout.startswith("python3.12 ran:")


def test_unsuitable_interpreters_are_refused_by_name(machine: Machine) -> None:
    machine.add("python3", "CPython 3.10.13", 1)
    machine.add("python", "PyPy 3.11.9", 1)
    done = machine.set_up()
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "CPython 3.11 or 3.12 is needed" in done.stderr
    assert "python3 (CPython 3.10.13), python (PyPy 3.11.9)" in done.stderr


def test_no_interpreter_at_all(machine: Machine) -> None:
    done = machine.set_up()
    assert done.returncode == 1
    assert "no Python at all" in done.stderr


@pytest.mark.parametrize(
    ("implementation", "version", "has_venv", "has_headers", "expected"),
    [
        ("CPython", (3, 11, 0), True, True, None),
        ("CPython", (3, 12, 3), True, True, None),
        ("CPython", (3, 10, 13), True, True, "CPython 3.10.13"),
        ("CPython", (3, 13, 0), True, True, "CPython 3.13.0"),
        ("CPython", (2, 7, 18), True, True, "CPython 2.7.18"),
        ("PyPy", (3, 11, 9), True, True, "PyPy 3.11.9"),
        ("CPython", (3, 12, 3), False, True, "CPython 3.12.3 without venv: install python3.12-venv"),
        ("CPython", (3, 11, 7), True, False, "CPython 3.11.7 without Python.h: install python3.11-dev"),
    ],
)
def test_reason(
    implementation: str, version: tuple[int, int, int], has_venv: bool, has_headers: bool, expected: str | None
) -> None:
    assert probe_interpreter.reason(implementation, version, has_venv, has_headers) == expected


def test_probe_accepts_the_interpreter_that_runs_this(root: Path) -> None:
    command = [sys.executable, "-E", "-S", root / "tools" / "probe_interpreter.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, f"3.{sys.version_info.minor}")
