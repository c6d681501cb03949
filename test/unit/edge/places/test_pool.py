# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The pool of processes: same outputs as in the edge's process, dead workers, and nothing that is left behind."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from robots import LONG_S, picture
from torch.utils import _pytree as pytree

from neurosurgeon_ros.codecs import get_codec
from neurosurgeon_ros.edge.places.local import LocalPlace
from neurosurgeon_ros.edge.places.place import PlaceError, RunLost
from neurosurgeon_ros.edge.places.pool import PoolPlace
from neurosurgeon_ros.edge.places.pool_process import BackEndFailed, environment_of
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.places.tensor_memory import TensorMemory
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import torch_threads
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Key, Reply, Request, Status

SMALL, VARIED, PICKY = (NetworkSource(f"pool_networks:{name}") for name in ("small", "varied", "picky"))
MINUTE_S = 120.0


@pytest.fixture(autouse=True)
def _inference_mode() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Pool:
    """A started pool and what it says."""

    def __init__(self, source: NetworkSource, workers: int, max_batch: int = 1) -> None:
        self.problems: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.engine = source.load()
        self.place = PoolPlace(
            self.engine, source, workers=workers, threads=1, max_batch=max_batch, on_problem=self.problems.put
        )
        self.place.start()

    def tensors(self, seed: int, point: int) -> tuple[torch.Tensor, ...]:
        x, _ = self.engine.model.preprocess(picture(seed))
        return self.engine.partitioned.run_front(x, point)[point]

    def wait_for_workers(self, number: int) -> None:
        until_s = time.monotonic() + MINUTE_S
        while self.place.workers != number:
            assert time.monotonic() < until_s
            time.sleep(0.01)


@pytest.fixture(scope="module")
def shared() -> Iterator[Pool]:
    pool = Pool(SMALL, 2, max_batch=4)
    yield pool
    pool.place.stop()


@pytest.fixture
def pool(shared: Pool) -> Iterator[Pool]:
    """Return a pool with two workers, whatever earlier tests did to them."""
    shared.wait_for_workers(2)
    yield shared
    for pid in shared.place.pids:
        os.kill(pid, signal.SIGCONT)


def assert_same(one: Any, other: Any) -> None:
    mine, structure = pytree.tree_flatten(one)
    wanted, wanted_structure = pytree.tree_flatten(other)
    assert structure == wanted_structure
    for left, right in zip(mine, wanted, strict=True):
        assert torch.equal(left, right) and left.dtype == right.dtype


def test_a_worker_gives_bit_for_bit_what_the_edge_would_compute(pool: Pool) -> None:
    local = LocalPlace()
    for point in range(pool.engine.on_device):
        tensors = [pool.tensors(seed, point) for seed in (1, 2)]
        with torch_threads(1):
            for given in tensors:
                wanted = local.run(pool.engine, point, [given], 0.0)
                ran = pool.place.run(pool.engine, point, [given], 0.0)
                assert_same(ran.outputs[0], wanted.outputs[0])
                assert ran.compute_s > 0.0 and ran.waited_s > 0.0
            together = pool.place.run(pool.engine, point, tensors, 0.0)
            assert_same(together.outputs, local.run(pool.engine, point, tensors, 0.0).outputs)


def test_outputs_stay_as_they_are_when_the_worker_runs_again(pool: Pool) -> None:
    first = pool.place.run(pool.engine, 0, [pool.tensors(1, 0)], 0.0)
    before = pytree.tree_map(torch.clone, first.outputs)
    for seed in range(2, 6):
        pool.place.run(pool.engine, 0, [pool.tensors(seed, 0)], 0.0)
    assert_same(first.outputs, before)


def test_outputs_of_any_type_layout_and_structure_arrive() -> None:
    pool = Pool(VARIED, 1)
    try:
        x = pool.tensors(3, 0)
        ran = pool.place.run(pool.engine, 0, [x], 0.0)
        wanted = pool.engine.run_back(x, 0)
        assert_same(ran.outputs[0], wanted)
        assert ran.outputs[0]["maps"][0].stride() == wanted["maps"][0].stride()
    finally:
        pool.place.stop()


def test_what_a_worker_cannot_run_is_an_error_of_this_request_alone() -> None:
    pool = Pool(PICKY, 1)
    try:
        dark = (torch.zeros_like(pool.engine.model.example_input),)
        pid = pool.place.pids
        with pytest.raises(BackEndFailed, match="^IndexError: index out of range"):
            pool.place.run(pool.engine, 0, [(dark[0] + 200,)], 0.0)
        assert_same(pool.place.run(pool.engine, 0, [dark], 0.0).outputs[0], pool.engine.run_back(dark, 0))
        assert pool.place.pids == pid
    finally:
        pool.place.stop()


def test_a_value_that_has_no_memory_is_refused() -> None:
    fd = os.memfd_create("test")
    try:
        memory = TensorMemory(fd)
        with pytest.raises(TypeError, match="the network returns a set, which another process cannot be sent"):
            memory.store([torch.ones(2), {1}])
        values = [True, 3, 0.5, "text", None, torch.zeros((2, 0)), torch.arange(3)]
        back = memory.load(memory.store(values))
        assert back[:5] == values[:5] and back[5].shape == (2, 0) and torch.equal(back[6], values[6])
    finally:
        os.close(fd)


def test_a_job_whose_worker_is_killed_runs_again_on_another(pool: Pool) -> None:
    pids = pool.place.pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    tensors = pool.tensors(1, 0)
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        with torch.inference_mode():
            results.put(pool.place.run(pool.engine, 0, [tensors], LONG_S))

    jobs = [threading.Thread(target=run) for _ in range(2)]
    for job in jobs:
        job.start()
    until(lambda: not pool.place._idle)
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: "ended (SIGKILL)" in pool.problems.get(timeout=MINUTE_S))
    os.kill(pids[1], signal.SIGCONT)
    wanted = pool.engine.run_back(tensors, 0)
    for _ in jobs:
        assert_same(results.get(timeout=MINUTE_S).outputs[0], wanted)
    pool.wait_for_workers(2)
    assert pids[0] not in pool.place.pids


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + MINUTE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.002)


def test_a_job_is_refused_in_time_if_no_other_worker_is_free(pool: Pool) -> None:
    pids = pool.place.pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    lost: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run() -> None:
        try:
            pool.place.run(pool.engine, 0, [pool.tensors(1, 0)], 0.0)
        except RunLost as problem:
            lost.put(str(problem))

    jobs = [threading.Thread(target=run) for _ in range(2)]
    for job in jobs:
        job.start()
    until(lambda: not pool.place._idle)
    os.kill(pids[0], signal.SIGKILL)
    assert lost.get(timeout=MINUTE_S) == "a worker of the pool ended, and no other one is free in time"
    os.kill(pids[1], signal.SIGCONT)
    for job in jobs:
        job.join()


@pytest.mark.parametrize(("name", "said"), [("missing", "its file is not on this computer"), ("ending", "exit code 3")])
def test_a_pool_that_cannot_start_says_why_in_one_sentence(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    assert pool.place.workers == 2, "no worker is being started"
    monkeypatch.setenv("POOL_NETWORKS_PID", str(os.getpid()))
    children = set(psutil.Process().children())
    with pytest.raises(PlaceError, match=said) as raised:
        Pool(NetworkSource(f"pool_networks:{name}"), 1)
    assert "\n" not in str(raised.value)
    assert set(psutil.Process().children()) <= children


def test_workers_of_another_network_are_refused() -> None:
    engine = SMALL.load()
    place = PoolPlace(engine, VARIED, workers=1, on_problem=print)
    with pytest.raises(PlaceError, match=f"the edge has {engine.fingerprint[:12]}"):
        place.start()


def frame(engine: Engine, sequence: int, robot: str) -> Request:
    x, fitted = engine.model.preprocess(picture(sequence))
    encoded = get_codec("uint8").encode(x, engine.partitioned.points[0].tensors[0])
    return Request(Key(robot, 7, sequence, Kind.FRAME), None, engine.fingerprint, 0, (encoded,), fitted, 0.0, 0.5)


def test_a_server_loses_no_frame_when_workers_are_killed_under_load(pool: Pool) -> None:
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    server = EdgeServer(
        {pool.engine.fingerprint: pool.engine}, replies.put, on_problem=print, place=pool.place, max_queue=64
    )
    server.start()
    try:
        answered: dict[Key, Reply] = {}
        sent = 0
        for number in range(1, 61):
            for robot in ("a", "b", "c"):
                server.submit(frame(pool.engine, number, robot))
                sent += 1
            if number in (20, 40):
                pool.wait_for_workers(2)
                os.kill(pool.place.pids[0], signal.SIGKILL)
            for _ in range(3):
                reply = replies.get(timeout=MINUTE_S)
                answered[reply.feedback.key] = reply
        assert len(answered) == sent, "every request has one answer"
        good = [reply for reply in answered.values() if reply.feedback.status is Status.OK]
        lost = [reply.feedback for reply in answered.values() if reply.feedback.status is not Status.OK]
        assert lost == [], "the frames in flight were run again"
        for reply in good[::10]:
            x, fitted = pool.engine.model.preprocess(picture(reply.feedback.key.sequence))
            wanted = pool.engine.model.postprocess(
                pool.engine.partitioned.run_whole(x), fitted, confidence=0.0, iou=0.5
            )
            assert reply.detections is not None and np.allclose(reply.detections.boxes, wanted.boxes, atol=1e-4)
    finally:
        server.stop()


def test_a_server_without_a_worker_refuses_at_once_and_goes_on_when_there_is_one(pool: Pool) -> None:
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    server = EdgeServer({pool.engine.fingerprint: pool.engine}, replies.put, on_problem=print, place=pool.place)
    server.start()
    try:
        for pid in pool.place.pids:
            os.kill(pid, signal.SIGKILL)
        until(lambda: pool.place.workers == 0)
        server.submit(frame(pool.engine, 1, "a"))
        feedback = replies.get(timeout=MINUTE_S).feedback
        assert feedback.status is Status.OVERLOADED
        assert "no worker" in feedback.error and "started again" in feedback.error
        pool.wait_for_workers(2)
        server.submit(frame(pool.engine, 2, "a"))
        assert replies.get(timeout=MINUTE_S).feedback.status is Status.OK
    finally:
        server.stop()


#: A process that has a pool until its input ends.
OWNER = """
import sys
from neurosurgeon_ros.edge.places.pool import PoolPlace
from neurosurgeon_ros.edge.places.source import NetworkSource
source = NetworkSource("pool_networks:small")
place = PoolPlace(source.load(), source, workers=2, on_problem=print)
place.start()
print(*place.pids, flush=True)
sys.stdin.read()
"""


def test_workers_end_and_leave_nothing_when_the_edge_is_killed() -> None:
    before = set(Path("/dev/shm").iterdir())
    tests = str(Path(__file__).parents[3])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *filter(None, sys.path)])}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env
    )
    try:
        assert owner.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert len(workers) == 2
        workers[0].suspend()  # it cannot notice by itself
        owner.kill()
        owner.wait()
        workers[0].resume()
        gone, alive = psutil.wait_procs(workers, timeout=MINUTE_S)
        assert len(gone) == 2 and not alive
    finally:
        owner.kill()
        owner.communicate()
    left = set(Path("/dev/shm").iterdir()) - before
    assert [path for path in left if path.name.startswith(("psm_", "sem.mp-"))] == []


def test_each_worker_has_one_of_the_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in environment_of(0, 0)
    assert [environment_of(n, 2)["CUDA_VISIBLE_DEVICES"] for n in range(3)] == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert [environment_of(n, 2)["CUDA_VISIBLE_DEVICES"] for n in range(2)] == ["5", "7"]
