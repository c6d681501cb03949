# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shared-memory files that are removed: those of dead owners, of this user, and no others."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurosurgeon_ros.ros.process.stale_memory import (
    release_half_made_ports,
    remove_dead_memory,
    remove_unused_ports,
)

SEGMENT = "fastrtps_0123456789abcdef"
PORT = "fastrtps_port7411"
LONG_AGO_S = 1_000_000_000.0


def make(folder: Path, *names: str, age: bool = True, content: bytes = b"x" * 8192) -> None:
    for name in names:
        (folder / name).write_bytes(content)
        if age:
            os.utime(folder / name, (LONG_AGO_S, LONG_AGO_S))


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[None]:
    """Hold the locks of a segment, of a port with one reader and of one with several, as their owners do."""
    make(tmp_path, SEGMENT, f"{SEGMENT}_el", PORT, f"{PORT}_el", "fastrtps_port7400", "fastrtps_port7400_sl")
    held = []
    for name, how in (
        (f"{SEGMENT}_el", fcntl.LOCK_EX),
        (f"{PORT}_el", fcntl.LOCK_EX),
        ("fastrtps_port7400_sl", fcntl.LOCK_SH),
    ):
        held.append(os.open(tmp_path / name, os.O_RDONLY))
        fcntl.flock(held[-1], how)
    yield
    for file in held:
        os.close(file)


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the files that the module locks, or tries to lock."""
    files: list[int] = []
    lock = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lambda file, how: (files.append(file), lock(file, how)))
    return files


def test_what_dead_owners_left_is_removed(tmp_path: Path) -> None:
    make(tmp_path, SEGMENT, f"{SEGMENT}_el", PORT, f"{PORT}_el", f"sem.{PORT}_mutex")
    make(tmp_path, "fastdds_port7400", "fastdds_port7400_sl", "sem.fastdds_port7400_mutex")
    assert remove_dead_memory(tmp_path) == 8 * 8192
    assert left(tmp_path) == set()


def test_what_living_owners_hold_is_kept(tmp_path: Path, alive: None) -> None:
    before = left(tmp_path)
    assert remove_dead_memory(tmp_path) == 0
    assert left(tmp_path) == before


def test_what_was_made_just_now_is_kept_for_an_owner_that_is_about_to_lock_it(
    tmp_path: Path, locked: list[int]
) -> None:
    make(tmp_path, SEGMENT, f"{SEGMENT}_el", age=False)
    remove_dead_memory(tmp_path)
    assert left(tmp_path) == {SEGMENT, f"{SEGMENT}_el"}
    assert locked == [], "its owner would fail to lock it"
    remove_dead_memory(tmp_path, settled_s=0.0)
    assert left(tmp_path) == set()


def test_a_port_that_a_process_is_about_to_open_is_not_even_locked(tmp_path: Path, locked: list[int]) -> None:
    port = f"fastrtps_port{10**6 + os.getpid()}"
    make(tmp_path, port, f"{port}_el")
    libc = ctypes.CDLL(None)
    libc.sem_open.restype = ctypes.c_void_p
    assert libc.sem_open(f"/{port}_mutex".encode(), os.O_CREAT | os.O_EXCL, 0o600, 0) is not None
    try:
        assert remove_dead_memory(tmp_path) == 0
        assert locked == []
    finally:
        libc.sem_unlink(f"/{port}_mutex".encode())
    assert remove_dead_memory(tmp_path) > 0


def test_other_files_are_none_of_its_business(tmp_path: Path) -> None:
    names = [
        "sem.other",
        "fastrtps_0123_el",
        "fastrtps_0123456789abcdef",
        f"{PORT}",
        "lttng-ust-wait-6",
        "my_port7411_el",
    ]
    make(tmp_path, *names)
    remove_dead_memory(tmp_path)
    assert left(tmp_path) == set(names), "a port without a lock may be a living writer's"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_files_of_another_user_are_kept(tmp_path: Path) -> None:
    make(tmp_path, SEGMENT, f"{SEGMENT}_el", PORT, f"{PORT}_el")
    for path in tmp_path.iterdir():
        os.chown(path, 65534, 65534)
    assert remove_dead_memory(tmp_path) == 0
    assert len(left(tmp_path)) == 4


def test_a_link_with_the_name_of_a_lock_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "mine", SEGMENT)
    (tmp_path / f"{SEGMENT}_el").symlink_to(tmp_path / "mine")
    remove_dead_memory(tmp_path)
    assert left(tmp_path) == {"mine", SEGMENT, f"{SEGMENT}_el"}


@pytest.mark.parametrize("content", [b"", bytes(8192), b"\1" + bytes(8191)])
def test_a_port_that_a_killed_process_was_making_is_removed_and_nobody_waits_for_it(
    tmp_path: Path, content: bytes
) -> None:
    ready, new = "fastrtps_port7001", "fastdds_port7002"
    make(tmp_path, PORT, SEGMENT, content=content)
    make(tmp_path, ready, content=b"\2" + bytes(8191))
    make(tmp_path, new, age=False, content=content)
    with (tmp_path / PORT).open("rb") as file:
        remove_dead_memory(tmp_path)
        assert file.read(4) == b"\3\0\0\0", "those that wait for it read that it is unusable"
    assert left(tmp_path) == {SEGMENT, ready, new}
    assert release_half_made_ports(tmp_path, half_made_s=0.0) > 0
    assert left(tmp_path) == {SEGMENT, ready}


def test_there_may_be_no_shared_memory_at_all(tmp_path: Path) -> None:
    assert remove_dead_memory(tmp_path / "none") == 0


def test_a_port_that_is_only_written_to_is_removed_once_no_process_has_it_open(tmp_path: Path) -> None:
    make(tmp_path, PORT, f"sem.{PORT}_mutex", "fastrtps_port7400", "fastrtps_port7400_sl", SEGMENT)
    with (tmp_path / PORT).open("r+b") as file, mmap.mmap(file.fileno(), 4096):
        assert remove_unused_ports(tmp_path) == 0
    assert remove_unused_ports(tmp_path) > 0
    assert left(tmp_path) == {"fastrtps_port7400", "fastrtps_port7400_sl", SEGMENT}
