# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The virtual environment: when it counts as complete, pip's errors as sentences, and the corrected include paths."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from neurosurgeon_setup import packages, stamps
from neurosurgeon_setup.layout import Layout
from neurosurgeon_setup.report import Problem, Reporter

EXPORT = (
    'INTERFACE_INCLUDE_DIRECTORIES "/opt/python/cp311-cp311/include/python3.11;'
    '/opt/python/cp311-cp311/lib/python3.11/site-packages/numpy/_core/include"\n'
)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Return a checkout with requirements and a virtual environment whose interpreter is the running one."""
    layout = Layout(tmp_path / "checkout")
    for path in (*packages.requirements(layout), *packages.constraints(layout)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {path.name}\n")
    layout.python.parent.mkdir(parents=True)
    layout.python.symlink_to(sys.executable)
    return layout


def test_include_paths_are_mended_once(tmp_path: Path) -> None:
    share = tmp_path / "share"
    export = share / "std_msgs" / "cmake" / "export.cmake"
    export.parent.mkdir(parents=True)
    export.write_text(EXPORT)
    other = share / "rclpy.cmake"
    other.write_text("set(a /opt/python-tools)\n")
    assert packages.mend_include_paths(share, "/here/python", r"/here/\g<0>/numpy") == 1
    mended = 'INTERFACE_INCLUDE_DIRECTORIES "/here/python;/here/\\g<0>/numpy"\n'
    assert export.read_text() == mended
    assert other.read_text() == "set(a /opt/python-tools)\n"
    assert packages.mend_include_paths(share, "/here/python", r"/here/\g<0>/numpy") == 0
    assert export.read_text() == mended
    assert sorted(path.name for path in export.parent.iterdir()) == ["export.cmake"]


def test_environment_is_complete_only_with_its_stamp(layout: Layout) -> None:
    assert not packages.complete(layout)
    stamps.write(layout.venv, packages.fingerprint(layout))
    assert packages.complete(layout)
    stamps.write(layout.venv, stamps.INCOMPLETE)
    assert not packages.complete(layout)


@pytest.mark.parametrize("file", ["constraints.txt", "jazzy/constraints.txt", "jazzy/ros.txt", "runtime.txt"])
def test_another_pin_asks_for_another_installation(layout: Layout, file: str) -> None:
    stamps.write(layout.venv, packages.fingerprint(layout))
    (layout.requirements / file).write_text("numpy==1.26.3\n")
    assert not packages.complete(layout)


def test_a_pin_of_another_distribution_changes_nothing(layout: Layout) -> None:
    stamps.write(layout.venv, packages.fingerprint(layout))
    (layout.requirements / "kilted").mkdir()
    (layout.requirements / "kilted" / "ros.txt").write_text("numpy==2.4.6\n")
    assert packages.complete(layout)


def test_environment_without_interpreter_is_not_complete(layout: Layout) -> None:
    stamps.write(layout.venv, packages.fingerprint(layout))
    layout.python.unlink()
    layout.python.symlink_to(layout.root / "gone")
    assert not packages.complete(layout)


def test_moved_environment_is_not_complete(layout: Layout, tmp_path: Path) -> None:
    stamps.write(layout.venv, packages.fingerprint(layout))
    moved = Layout(tmp_path / "moved")
    layout.root.rename(moved.root)
    assert not packages.complete(moved)


def test_interrupted_installation_is_made_anew(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    half_made = layout.venv / "lib" / "half.py"
    half_made.parent.mkdir()
    half_made.write_text("")
    stamps.write(layout.venv, stamps.INCOMPLETE)
    monkeypatch.setattr(packages, "_make", _stop)
    with pytest.raises(KeyboardInterrupt):
        packages.install(layout, Reporter())
    assert not half_made.exists()
    assert stamps.read(layout.venv) == stamps.INCOMPLETE


def test_environment_made_by_hand_is_kept(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_make", _stop)
    monkeypatch.setattr(packages, "_pip_install", lambda *_: None)
    monkeypatch.setattr(packages, "python_include", lambda _: "/python")
    monkeypatch.setattr(packages, "numpy_include", lambda _: "/numpy")
    packages.install(layout, Reporter())
    assert packages.complete(layout)


def test_environment_stands_on_an_interpreter_outside_it(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_base_executable", str(layout.python))
    assert layout.venv not in packages.base_interpreter().parents
    assert packages.base_interpreter().exists()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("OSError: [Errno 28] No space left on device\n", "the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES\n", "sha256 is not the pinned one"),
        (
            "Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution\n",
            "check the network",
        ),
        ("ERROR: No matching distribution found for rclpy==7\n", "No matching distribution found for rclpy==7"),
        ("", "it gave no reason"),
    ],
)
def test_failure_of_pip_is_one_sentence(output: str, expected: str, tmp_path: Path) -> None:
    log = tmp_path / "pip.log"
    log.write_text(output)
    said = str(packages.pip_problem(log, "the packages"))
    assert expected in said
    assert str(log) in said
    assert "\n" not in said


def test_failing_pip_ends_set_up(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    (layout.requirements / "runtime.txt").write_text("no-such-package==1\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_BREAK_SYSTEM_PACKAGES", "1")  # an interpreter of a distribution refuses before it looks
    with pytest.raises(Problem, match=r"pip could not get the packages from its package index: check the network"):
        packages.install(layout, Reporter())
    assert not packages.complete(layout)


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
