# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The memory that a node takes when it is configured is returned to the machine on every cleanup."""

from __future__ import annotations

import psutil
import pytest
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.models.files import FILES

ROUNDS = 5
#: Size of the network alone, in bytes.
NETWORK_BYTES = FILES["yolov3-tiny.weights"].size


def memory(process: Process) -> int:
    """Return how many bytes would be free if the process ended."""
    return int(psutil.Process(process.popen.pid).memory_full_info().uss)


@pytest.mark.full
@pytest.mark.parametrize("node", ["robot_node", "edge_node"])
def test_cleaning_up_frees_memory(processes: Processes, node: str) -> None:
    codecs = ("-p", "codecs:=[uint8]") if node == "robot_node" else ()
    process = processes.start(node, "--ros-args", "-p", "autostart:=false", "-p", "threads:=1", *codecs)
    configured, cleaned = [], []
    with watching() as watcher:
        assert watcher.state(f"/{node}") == "unconfigured"
        before = memory(process)
        for _ in range(ROUNDS):
            assert watcher.transition(f"/{node}", "configure")
            configured.append(memory(process))
            assert watcher.transition(f"/{node}", "cleanup")
            cleaned.append(memory(process))
    taken = min(configured) - before
    assert taken > NETWORK_BYTES
    # What remains is code, mostly torch's, which was loaded with the first network.
    assert cleaned[0] - before < taken / 2, (before, configured, cleaned)
    # A leak of one network per cycle would be ROUNDS - 1 networks.
    assert cleaned[-1] - cleaned[0] < NETWORK_BYTES, (before, configured, cleaned)
