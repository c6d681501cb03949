# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Detect when the shared memory through which other processes reach this one was removed.

Fast DDS gives each process ports in /dev/shm, and removes them by name. After a crash of another process, or under
load, it may remove a port that a process has just made. That process then listens permanently on a port to which nobody
writes, and its discovery does not show the problem. The same happens to all processes when /dev/shm is cleaned, as
systemd's RemoveIPC does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

# The mapping of a port in /proc/self/maps: inode, path, and whether the file was deleted.
_MAPPING = re.compile(r" (\d+) +(/dev/shm/\w+_port\d+)( \(deleted\))?$", re.MULTILINE)

# The lock file of a port from which this process reads, alone or with others.
_LOCK = re.compile(r"^(/dev/shm/\w+_port\d+)_[es]l( \(deleted\))?$")

_PROCESS = Path("/proc/self")


class ReadPorts:
    """
    The ports in shared memory from which this process reads.

    :param process: the folder of the process in /proc; if it does not exist, no port is ever reported as lost.
    """

    def __init__(self, process: Path = _PROCESS) -> None:
        self._process = process
        self._inodes: Mapping[str, int] = {}
        self._suspects: frozenset[str] = frozenset()

    def lost(self) -> frozenset[str]:
        """
        Return the ports that were gone at this check and at the previous one.

        Fast DDS replaces a port that it finds broken, so a port may be missing for a moment. Two checks should be a
        second or more apart. A check takes microseconds as long as the ports have not changed.
        """
        if self._inodes and not self._suspects and all(_inode(path) == inode for path, inode in self._inodes.items()):
            return frozenset()
        self._inodes, gone = self._read()
        before, self._suspects = self._suspects, gone
        return gone & before

    def _read(self) -> tuple[dict[str, int], frozenset[str]]:
        """Return the inodes of the ports that exist, and the names of those that are gone."""
        try:
            read = read_ports(self._process)
            mappings = _MAPPING.findall((self._process / "maps").read_text(errors="replace"))
        except OSError:
            return {}, frozenset()
        there = {path: int(inode) for inode, path, deleted in mappings if path in read and not deleted}
        return there, frozenset(path for _, path, _ in mappings if path in read and path not in there)


def read_ports(process: Path = _PROCESS) -> set[str]:
    """
    Return the paths of the ports from which a process reads.

    :param process: the folder of the process in /proc.
    :raises OSError: if the folder does not exist.
    """
    found = set()
    for entry in (process / "fd").iterdir():
        try:
            lock = _LOCK.match(str(entry.readlink()))
        except OSError:  # closed in the meantime
            continue
        if lock is not None:
            found.add(lock.group(1))
    return found


def _inode(path: str) -> int | None:
    try:
        return Path(path).stat().st_ino
    except OSError:
        return None
