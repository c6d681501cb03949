# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""An edge whose back-ends run in a pool of processes: it answers, outlives a worker, and leaves none behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest
from asker import Asker
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.msg import DelayFeedback

WORKER = "neurosurgeon_ros.edge.places.pool_worker"


@pytest.fixture
def watcher(ros_domain: int) -> Iterator[Watcher]:
    with watching() as watcher:
        yield watcher


def workers_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if WORKER in child.cmdline()]


def test_an_edge_with_a_pool_outlives_its_workers_and_not_the_other_way_round(
    processes: Processes, watcher: Watcher
) -> None:
    values = ("threads:=1", "back_end:=pool", "back_end_workers:=2", "max_batch:=1")
    edge = processes.start("edge_node", "--ros-args", *(word for value in values for word in ("-p", value)))
    asker = Asker(watcher)
    asker.meet()
    assert asker.ask().status == DelayFeedback.OK
    assert "in 2 processes on this computer, 1 threads each" in edge.output

    workers = workers_of(edge.popen.pid)
    assert len(workers) == 2
    workers[0].kill()
    edge.wait_for_output("of the pool ended (SIGKILL): it is started again")
    again = asker.ask()
    assert (again.status, again.error) == (DelayFeedback.OK, "")
    assert again.compute_delay > 0.0

    watcher.until(lambda: len(workers_of(edge.popen.pid)) == 2, "another worker")
    workers = workers_of(edge.popen.pid)
    edge.popen.send_signal(signal.SIGKILL)
    edge.popen.wait()
    _, alive = psutil.wait_procs(workers, timeout=30.0)
    assert not alive, "they ended with the edge"
