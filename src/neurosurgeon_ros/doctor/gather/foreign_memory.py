# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Find processes of other users that are in this domain and cannot be discovered.

A process that may not write to this one's shared memory announces itself and cannot say which topics it has, so the
graph shows nothing of it. Its ports in shared memory show that it lives.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from neurosurgeon_ros.ros.process.stale_memory import SHARED_MEMORY
from neurosurgeon_ros.ros.unheard_peers import Unheard, others_ports, user_name


def foreign_memory(domain: int, user: int, folder: Path = SHARED_MEMORY) -> Unheard | None:
    """
    Return why a process of another user cannot be heard; None if there is none in the domain.

    :param user: user id of this process.
    :param folder: folder of the shared memory.
    """
    for port in others_ports(domain, folder):
        if port.owner != user and _is_alive(port.path):
            return Unheard(
                f"{port.path} belongs to {user_name(port.owner)}, this command to {user_name(user)}, and Fast DDS "
                "cannot share memory between users",
                True,
            )
    return None


def _is_alive(port: Path) -> bool:
    """Return whether a process reads from a port: it then holds a lock on the port's lock file."""
    for end in ("_el", "_sl"):
        try:
            file = os.open(f"{port}{end}", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
    return False
