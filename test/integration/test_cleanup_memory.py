# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a node takes when it is configured it gives back to the machine when it is cleaned up, every time."""

from __future__ import annotations

import psutil
import pytest
from support import Process, Processes
from watcher import watching

from neurosurgeon_ros.models.files import FILES

ROUNDS = 5
#: Bytes of the network alone.
NETWORK_BYTES = FILES["yolov3-tiny.weights"].size


def memory(process: Process) -> int:
    """Bytes that would be free if it ended."""
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
    # What stays is code, torch's own, which was read with the first network.
    assert cleaned[0] - before < taken / 2, (before, configured, cleaned)
    # A network that were kept each time would be ROUNDS - 1 of them.
    assert cleaned[-1] - cleaned[0] < NETWORK_BYTES, (before, configured, cleaned)
