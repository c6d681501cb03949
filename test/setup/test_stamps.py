# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Stamps of completed steps, and the lock."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

from neurosurgeon_setup import build, stamps
from neurosurgeon_setup.layout import Layout


def test_stamp_goes_with_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "install"
    assert stamps.read(folder) is None
    stamps.write(folder, "abc")
    assert stamps.read(folder) == "abc"
    assert [path.name for path in folder.iterdir()] == [stamps.NAME]


def test_fingerprint_tells_contents_names_and_texts_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("1")
    second.write_text("2")
    value = stamps.fingerprint(["x"], [first, second])
    assert stamps.fingerprint(["x"], [second, first]) == value
    assert stamps.fingerprint(["y"], [first, second]) != value
    assert stamps.fingerprint(["x"], [first]) != value
    second.write_text("3")
    assert stamps.fingerprint(["x"], [first, second]) != value


def test_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "state" / "lock"
    waiting, inside = threading.Event(), threading.Event()

    def other() -> None:
        with stamps.locked(lock, waiting.set):
            inside.set()

    thread = threading.Thread(target=other)
    with stamps.locked(lock, lambda: None):
        thread.start()
        assert waiting.wait(10)
        assert not inside.is_set()
    thread.join(10)
    assert inside.is_set()


def test_lock_is_held_by_what_a_killed_holder_left_behind(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with stamps.locked(lock, lambda: None):
        left_behind = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    waiting: list[bool] = []

    def let_it_end() -> None:
        waiting.append(True)
        left_behind.communicate()

    with stamps.locked(lock, let_it_end):
        assert waiting


def test_build_is_asked_for_by_content_or_new_file(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    package = tmp_path / "src" / "neurosurgeon_ros"
    for path, text in {
        tmp_path / "CMakeLists.txt": "",
        tmp_path / "package.xml": "",
        tmp_path / "msg" / "A.msg": "uint8 a",
        layout.venv / "pyvenv.cfg": "version = 3.12.3",
        package / "__init__.py": "",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    stamps.write(layout.install, build.fingerprint(layout))
    assert build.complete(layout)

    (package / "__init__.py").write_text("edited = True")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.pyc").write_text("")
    assert build.complete(layout), "an edited module is a symbolic link away"

    (package / "new.py").write_text("")
    assert not build.complete(layout)
    (package / "new.py").unlink()
    assert build.complete(layout)
    (tmp_path / "msg" / "A.msg").write_text("uint16 a")
    assert not build.complete(layout)
