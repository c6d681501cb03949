# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Remove the shared memory of killed processes.

Fast DDS gives each process a segment in /dev/shm and ports through which others reach it. A killed process leaves both
behind permanently, 35 MB with this package's profile. In a container, whose /dev/shm has 64 MB, the second process
after it finds no room. Each segment and each port has a lock file. Its living owner holds a flock on that file, in any
container. This module removes files whose lock nobody holds, as ``fastdds shm clean`` does. It removes only files of
this user, and a port only while it holds Fast DDS's own mutex of the port, so that a process that starts at the same
time keeps its port.

A process that is killed while it makes a port leaves it half made. Fast DDS waits up to five minutes for somebody to
finish such a port, in the thread that opens it: a node that starts then hangs. See :func:`release_half_made_ports`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")

#: Names of lock files: of a segment, or of a port with one reader (_el) or with several (_sl).
_SEGMENT_LOCK = re.compile(r"(fast(?:rtps|dds)_[0-9a-f]{16})_el")
_PORT_LOCK = re.compile(r"(fast(?:rtps|dds)_port\d+)_[es]l")

_PORT = re.compile(r"fast(?:rtps|dds)_port\d+")

#: State of a port, in its first four bytes, as Boost.Interprocess keeps it: being made, and unusable.
_BEING_MADE, _UNUSABLE = (0, 1), 3

#: Seconds after which a port that is still being made is half made: making one takes less than a millisecond.
HALF_MADE_S = 1.0

#: Minimum age of a lock file, seconds: its owner first creates the file, and then locks it.
SETTLED_S = 0.5


def remove_dead_memory(folder: Path = SHARED_MEMORY, *, settled_s: float = SETTLED_S) -> int:
    """
    Remove segments and ports whose owners are dead, and ports that are half made.

    :param folder: folder of the shared memory.
    :param settled_s: minimum age of a lock file, seconds.
    :returns: number of freed bytes.
    """
    freed = release_half_made_ports(folder)
    for name in _names(folder):
        if found := _SEGMENT_LOCK.fullmatch(name):
            with _dead(folder / name, settled_s) as dead:
                freed += _remove(folder / found[1], folder / name) if dead else 0
        elif found := _PORT_LOCK.fullmatch(name):
            with _mutex(f"{found[1]}_mutex") as free:
                if not free:  # its owner may be about to lock the file, and fails if it is locked here
                    continue
                with _dead(folder / name, settled_s) as dead:
                    paths = folder / found[1], folder / name, folder / f"sem.{found[1]}_mutex"
                    freed += _remove(*paths) if dead else 0
    return freed


def release_half_made_ports(folder: Path = SHARED_MEMORY, *, half_made_s: float = HALF_MADE_S) -> int:
    """
    Remove ports that are half made. A process that waits for one of them goes on at once, and makes the port anew.

    :param folder: folder of the shared memory.
    :param half_made_s: age from which a port that is still being made counts as half made, seconds.
    :returns: number of freed bytes.
    """
    freed = 0
    for path in (folder / name for name in _names(folder) if _PORT.fullmatch(name)):
        with contextlib.suppress(OSError):
            if _is_new(path, half_made_s) or path.lstat().st_uid != os.geteuid():
                continue
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if int.from_bytes(os.pread(file, 4, 0), sys.byteorder) in _BEING_MADE:
                    os.pwrite(file, _UNUSABLE.to_bytes(4, sys.byteorder), 0)
                    freed += _remove(path)
            finally:
                os.close(file)
    return freed


def remove_unused_ports(folder: Path = SHARED_MEMORY, *, settled_s: float = SETTLED_S) -> int:
    """
    Remove ports that nobody reads from and that no process has open. A killed writer leaves such ports behind.

    A port has no lock while it is only written to. This function is therefore for tests and benchmarks, which know that
    every process that uses the folder is visible here; a container may share the folder with others.

    :param folder: folder of the shared memory.
    :param settled_s: minimum age of a port, seconds.
    :returns: number of freed bytes.
    """
    ports = [found[0] for name in _names(folder) if (found := _PORT.fullmatch(name))]
    freed = 0
    for name in _unused(folder, ports):
        path = folder / name
        # A process opens a port while it holds the mutex. One may have done so since the port was looked at.
        with _mutex(f"{name}_mutex") as free, contextlib.suppress(OSError):
            if free and not _is_new(path, settled_s) and _unused(folder, [name]):
                freed += _remove(path, folder / f"sem.{name}_mutex")
    return freed


def _unused(folder: Path, ports: list[str]) -> list[str]:
    """Return the ports that have no lock and that no process has open."""
    ports = [name for name in ports if not any((folder / f"{name}_{end}l").exists() for end in "es")]
    if ports:
        for maps in Path("/proc").glob("[0-9]*/maps"):
            with contextlib.suppress(OSError):
                text = maps.read_text(errors="replace")
                ports = [name for name in ports if f"{folder / name}\n" not in text]
    return ports


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError:
        return []


@contextlib.contextmanager
def _dead(lock: Path, settled_s: float) -> Iterator[bool]:
    """Lock a settled file unless a live process holds the lock; yields whether it is locked, and this user's."""
    try:
        # The owner of a file that is not settled may be about to lock it, and fails if it is locked here.
        if _is_new(lock, settled_s):
            yield False
            return
        file = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held, there = os.fstat(file), os.lstat(lock)
        yield held.st_ino == there.st_ino and held.st_uid == os.geteuid()
    except OSError:
        yield False
    finally:
        os.close(file)


def _is_new(path: Path, settled_s: float) -> bool:
    return 0.0 <= time.time() - path.lstat().st_mtime < settled_s


def _remove(*paths: Path) -> int:
    """Remove files if they belong to this user; returns the number of freed bytes."""
    freed = 0
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.lstat()
            if status.st_uid == os.geteuid():
                path.unlink()
                freed += status.st_blocks * 512
    return freed


@contextlib.contextmanager
def _mutex(name: str) -> Iterator[bool]:
    """Hold one of Fast DDS's mutexes, which are named semaphores; yields whether it is held or does not exist."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sem_open.restype = ctypes.c_void_p
    semaphore = libc.sem_open(f"/{name}".encode(), 0)
    if semaphore is None:
        yield ctypes.get_errno() == errno.ENOENT
        return
    handle = ctypes.c_void_p(semaphore)
    held = libc.sem_trywait(handle) == 0
    try:
        yield held
    finally:
        if held:
            libc.sem_post(handle)
        libc.sem_close(handle)
