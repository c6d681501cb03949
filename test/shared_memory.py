# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A /dev/shm for one test alone, as in a container."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None,
    reason="only root can mount a /dev/shm, with unshare and nsenter of util-linux",
)


@dataclass(frozen=True)
class OwnSharedMemory:
    """
    A mount namespace with its own /dev/shm.

    :param holder: id of the process that keeps the namespace
    """

    holder: int

    @property
    def within(self) -> tuple[str, ...]:
        """Return the beginning of a command line that runs a program in the namespace."""
        return ("nsenter", "--mount", "--target", str(self.holder), f"--wdns={Path.cwd()}")

    @property
    def folder(self) -> Path:
        """Return its /dev/shm as a path in this namespace."""
        return Path(f"/proc/{self.holder}/root/dev/shm")

    @property
    def used_bytes(self) -> int:
        """Return the number of bytes in use."""
        status = os.statvfs(self.folder)
        return (status.f_blocks - status.f_bfree) * status.f_frsize


@contextlib.contextmanager
def own_shared_memory(megabytes: int) -> Iterator[OwnSharedMemory]:
    """Yield a new /dev/shm of some megabytes, for the programs that a test starts in it."""
    script = f"mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm && echo there && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "there\n", "a /dev/shm is mounted"
        yield OwnSharedMemory(holder.pid)
    finally:
        holder.communicate()


def segments_of(process: int) -> set[str]:
    """Return the names of the segments and ports that a process has in shared memory."""
    maps = Path(f"/proc/{process}/maps").read_text()
    return {line.split("/dev/shm/")[1].split()[0] for line in maps.splitlines() if "/dev/shm/fast" in line}
