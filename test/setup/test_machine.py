# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Set-up's requirements on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from neurosurgeon_setup import machine
from neurosurgeon_setup.report import Problem


def test_other_platforms_are_refused() -> None:
    machine.check_platform("linux", "x86_64")
    with pytest.raises(Problem, match=r"linux on aarch64.*install ROS 2 Jazzy"):
        machine.check_platform("linux", "aarch64")
    with pytest.raises(Problem, match="darwin on x86_64"):
        machine.check_platform("darwin", "x86_64")


def test_compilers_of_this_machine_work() -> None:
    machine.check_compiler("cc", "c", "gcc")
    machine.check_compiler("c++", "c++", "g++")


def test_missing_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"no C\+\+ compiler \(c\+\+\) is on the PATH: .*sudo apt install g\+\+"):
        machine.check_compiler("c++", "c++", "g++")


def test_compiler_without_its_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "cc"
    broken.write_text("#!/bin/sh\necho 'stdio.h: No such file or directory' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(Problem, match=r"cannot build a program \(stdio.h: No such file or directory\)"):
        machine.check_compiler("cc", "c", "gcc")


def test_full_disk_is_named(tmp_path: Path) -> None:
    machine.check_disk(tmp_path, 1)
    with pytest.raises(Problem, match=r"of free disk space where set-up needs 1000000000.0 GB: free some"):
        machine.check_disk(tmp_path, 10**18)
