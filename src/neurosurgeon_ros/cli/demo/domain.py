# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A private ROS domain, so that two runs on one machine do not interfere."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from neurosurgeon_ros.ros.process.middleware import is_fast_dds
from neurosurgeon_ros.ros.process.stale_memory import remove_dead_memory

# Above 101 a domain's ports can collide with Linux's ephemeral ports; 0 is the default domain.
DOMAINS = range(1, 101)


@contextlib.contextmanager
def private_domain() -> Iterator[dict[str, str]]:
    """
    Hold a domain id that no other run on this machine holds, unless the user has chosen one.

    Shared memory of Fast DDS that killed processes left behind is removed at the end.

    :returns: environment variables for every process that joins this domain.
    :raises RuntimeError: if all domain ids are in use.
    """
    if os.environ.get("ROS_DOMAIN_ID"):
        yield {}
        return
    with contextlib.ExitStack() as stack:
        domain = next((domain for domain in DOMAINS if _hold(domain, stack)), None)
        if domain is None:
            raise RuntimeError(f"all ROS domain ids from {DOMAINS[0]} to {DOMAINS[-1]} are in use: set ROS_DOMAIN_ID")
        if is_fast_dds():
            stack.callback(remove_dead_memory)
        yield {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def _hold(domain: int, stack: contextlib.ExitStack) -> bool:
    try:
        path = Path(tempfile.gettempdir()) / f"neurosurgeon-ros-domain-{domain}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:  # another user's
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    stack.callback(os.close, lock)
    return True
