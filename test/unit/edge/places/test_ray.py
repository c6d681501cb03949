# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Back-ends on a real Ray cluster of this computer: outputs, replicas of another kind, and replicas that are killed."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import psutil
import pytest
import torch
from robots import picture
from torch.utils import _pytree as pytree

from neurosurgeon_ros.cli.main import main
from neurosurgeon_ros.codecs import get_codec
from neurosurgeon_ros.edge.places.place import PlaceError
from neurosurgeon_ros.edge.places.ray_place import RayPlace
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.server import EdgeServer
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import torch_threads
from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.protocol.requests import Feedback, Key, Reply, Request, Status

os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # as the edge sets it; Ray reads it when it is imported
serve = pytest.importorskip("ray.serve")
pytestmark = pytest.mark.full

SMALL, VARIED, PICKY, MISSING = (
    NetworkSource(f"pool_networks:{name}") for name in ("small", "varied", "picky", "missing")
)
MINUTE_S = 120.0


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a cluster with the command, and end it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROSURGEON_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RAY_AUTH_MODE", "disabled")
        assert main(["cluster", "up", f"--port={port}"]) == 0
        assert main(["cluster", "up", f"--port={port}"]) == 0, "it runs already"
        yield f"127.0.0.1:{port}"
        assert main(["cluster", "down", f"--port={port}"]) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture(autouse=True)
def _inference_mode() -> Iterator[None]:
    with torch.inference_mode():
        yield


class Edge:
    """A started place, its network, and what it says."""

    def __init__(self, address: str, source: NetworkSource, engine: Engine | None = None, **settings: object) -> None:
        self.problems: list[str] = []
        self.engine = engine or source.load()
        self.place = RayPlace(
            self.engine, source, address=address, on_problem=self.problems.append, **settings  # type: ignore[arg-type]
        )  # fmt: skip
        self.place.start()

    def __enter__(self) -> Edge:
        return self

    def __exit__(self, *_: object) -> None:
        serve.delete(self.place.application)  # the next one needs its cores
        self.place.stop()


def test_a_replica_that_is_killed_under_load_costs_no_answer(address: str) -> None:
    """Eight robots ask again as soon as they are answered, which starts a second replica; then one is killed."""
    answers: list[Feedback] = []
    others = {one.pid for one in replicas()}
    with Edge(address, SMALL, workers=2, max_batch=2) as edge:
        going = threading.Event()
        going.set()

        def reply(reply: Reply) -> None:
            answers.append(reply.feedback)
            if going.is_set():
                key = reply.feedback.key
                server.submit(replace(request, key=replace(key, sequence=key.sequence + 1)))

        request = replace(frame(edge.engine, 1, "robot_0"), deadline_s=30.0)
        server = EdgeServer(
            {edge.engine.fingerprint: edge.engine}, reply, on_problem=print, place=edge.place, max_queue=64
        )
        server.start()
        try:
            for number in range(8):
                server.submit(replace(request, key=replace(request.key, robot_id=f"robot_{number}")))
            until(lambda: edge.place.workers == 2)
            victim = next(one for one in replicas() if one.pid not in others)
            victim.kill()
            psutil.wait_procs([victim], timeout=MINUTE_S)
            before = len(answers)
            until(lambda: len(answers) > before + 200)
            going.clear()
            until(lambda: server.queue_length == 0)
        finally:
            going.clear()
            server.stop()
    assert len({answer.key for answer in answers}) == len(answers), "every request has one answer"
    assert [
        answer.error for answer in answers if answer.status is not Status.OK and "shutting" not in answer.error
    ] == []
    assert {answer.key.robot_id for answer in answers[-100:]} == {f"robot_{number}" for number in range(8)}


def test_a_replica_gives_bit_for_bit_what_the_edge_would_compute(address: str) -> None:
    with Edge(address, VARIED, workers=1) as edge, torch_threads(1):
        x = (edge.engine.model.preprocess(picture(1))[0],)
        ran = edge.place.run(edge.engine, 0, [x], MINUTE_S)
        mine, structure = pytree.tree_flatten(ran.outputs[0])
        wanted, wanted_structure = pytree.tree_flatten(edge.engine.run_back(x, 0))
        assert structure == wanted_structure and all(map(torch.equal, mine, wanted))
        assert ran.compute_s > 0.0 and ran.waited_s > 0.0
        assert edge.place.workers == 1


def test_the_status_shows_applications_and_their_replicas(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    edge = Edge(address, SMALL, workers=1)
    edge.place.stop()
    port = address.rpartition(":")[2]
    assert main(["cluster", "status", f"--port={port}"]) == 0
    assert f"{edge.place.application}: running, replicas: 1" in capsys.readouterr().out
    with Edge(address, SMALL, workers=1) as again:
        assert again.place.workers == 1, "it was warm"


def test_an_error_of_a_back_end_is_that_of_its_request(address: str) -> None:
    with Edge(address, PICKY, workers=1) as edge:
        dark = torch.zeros_like(edge.engine.model.example_input)
        with pytest.raises(RuntimeError, match="^IndexError: index out of range"):
            edge.place.run(edge.engine, 0, [(dark + 200,)], MINUTE_S)
        ran = edge.place.run(edge.engine, 0, [(dark,)], MINUTE_S)
        assert torch.equal(ran.outputs[0], edge.engine.run_back((dark,), 0))


def test_replicas_of_another_torch_are_refused(address: str) -> None:
    with pytest.raises(PlaceError, match=r"replicas run torch .*, the edge runs 1\.2\.3: install the same version"):
        Edge(address, SMALL, workers=1, torch_version="1.2.3")


def test_replicas_of_another_network_are_refused(address: str) -> None:
    engine = SMALL.load()
    with pytest.raises(PlaceError, match=f"the edge has {engine.fingerprint[:12]}: give all computers"):
        Edge(address, VARIED, engine, workers=1)


def test_a_cluster_without_the_model_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POOL_NETWORKS_PID", str(os.getpid()))
    with pytest.raises(PlaceError, match="cannot load the network: .*its file is not on this computer"):
        Edge(address, MISSING, workers=1)


def frame(engine: Engine, sequence: int, robot: str) -> Request:
    x, fitted = engine.model.preprocess(picture(sequence))
    encoded = get_codec("uint8").encode(x, engine.partitioned.points[0].tensors[0])
    return Request(Key(robot, 7, sequence, Kind.FRAME), None, engine.fingerprint, 0, (encoded,), fitted, 0.0, 0.5)


def replicas() -> list[psutil.Process]:
    return [one for one in psutil.process_iter() if "ray::ServeReplica" in " ".join(one.cmdline()[:1])]


def until(condition: Callable[[], bool]) -> None:
    end_s = time.monotonic() + MINUTE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)
