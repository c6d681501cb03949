# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The shared memory through which a process receives."""

from __future__ import annotations

from pathlib import Path

from neurosurgeon_ros.ros.process.shared_memory import read_ports


def remove_ports(pid: int) -> set[str]:
    """Remove the shared memory through which a process receives, and return the paths of its ports."""
    ports = read_ports(Path(f"/proc/{pid}"))
    for port in ports:
        Path(port).unlink()
    return ports


def has_others(pid: int, ports: set[str]) -> bool:
    """Return whether a process now receives through ports, and through none of these."""
    now = read_ports(Path(f"/proc/{pid}"))
    return bool(now) and not now & ports
