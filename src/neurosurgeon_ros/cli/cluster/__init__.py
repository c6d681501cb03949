# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon cluster``: start, look at and end a Ray cluster on this computer, for trying ``back_end: ray``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError

#: Default port of the cluster's head, which is also Ray's.
PORT = 6379

#: Memory for tensors that are under way, in bytes. Ray would take a third of the computer's.
STORE_BYTES = 256 << 20

#: Maximum seconds that a cluster needs to start, and to end.
START_S, END_S = 120.0, 30.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "cluster",
        help="start, look at or end a Ray cluster on this computer, for back_end: ray",
        description="Start, look at or end a Ray cluster on this computer, for trying `back_end: ray`. docs/cluster.md "
        "says how other computers join it.",
        allow_abbrev=False,
    )
    parser.add_argument("action", choices=("up", "status", "down"), help="what to do")
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        metavar="PORT",
        help="port of the cluster's head, 1024 to 65535 (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """
    Start the cluster, print its state, or end it.

    :returns: exit code: 0, or 1 if `status` finds no cluster.
    :raises UsageError: Ray is not installed, the port is taken or not in range, or the cluster does not start.
    """
    from neurosurgeon_ros.edge.places.place import PlaceError
    from neurosurgeon_ros.edge.places.ray_cluster import require_ray

    if not 1024 <= args.port <= 65535:
        raise UsageError(f"--port: {args.port} is not in range; give 1024 to 65535")
    try:
        require_ray()
    except PlaceError as problem:
        raise UsageError(str(problem)) from None
    return {"up": _up, "status": _status, "down": _down}[args.action](args.port)


def _up(port: int) -> int:
    if _running(port) is not None:
        print(f"the cluster of this computer runs already: ray_address:=127.0.0.1:{port}")
        return 0
    if _answers(port):
        raise UsageError(f"port {port} is taken by another program: give another --port")
    state = _state(port)
    state.parent.mkdir(parents=True, exist_ok=True)
    log = state.with_suffix(".log")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    command += ["--node-ip-address=127.0.0.1", f"--object-store-memory={STORE_BYTES}", "--disable-usage-stats"]
    command += ["--include-dashboard=false", f"--ray-client-server-port={_free_port()}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    state.write_text(json.dumps({"pid": process.pid, "began": _began(process.pid)}), encoding="utf-8")
    until_s = time.monotonic() + START_S
    while "Ray runtime started" not in log.read_text(encoding="utf-8", errors="replace"):
        if process.poll() is not None or time.monotonic() > until_s:
            _end(process.pid)
            state.unlink()
            raise UsageError(f"the cluster does not start: {_last_line(log)}; all it said is in {log}")
        time.sleep(0.1)
    print(
        f"the cluster runs; start the edge with: back_end:=ray ray_address:=127.0.0.1:{port}\n"
        "end it with: neurosurgeon cluster down"
    )
    return 0


def _status(port: int) -> int:
    from neurosurgeon_ros.edge.places.place import PlaceError
    from neurosurgeon_ros.edge.places.ray_cluster import connect, disconnect

    try:
        connect(f"127.0.0.1:{port}")
    except PlaceError as problem:
        print(problem)
        return 1
    import ray
    from ray import serve

    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        have = ray.cluster_resources()
        print(f"computers: {len(nodes)}, cores: {have.get('CPU', 0):g}, GPUs: {have.get('GPU', 0):g}")
        for name, application in serve.status().applications.items():
            replicas = sum(sum(one.replica_states.values()) for one in application.deployments.values())
            print(f"{name}: {application.status.value.lower()}, replicas: {replicas}")
    finally:
        disconnect()
    return 0


def _down(port: int) -> int:
    pid = _running(port)
    if pid is None:
        print(f"no cluster that `neurosurgeon cluster up` started runs at port {port}")
        return 0
    _end(pid)
    _state(port).unlink()
    print("the cluster has ended")
    return 0


def _end(pid: int) -> None:
    """End a cluster: ``ray start --block`` ends all of its processes when it is told to stop."""
    import psutil

    try:
        head = psutil.Process(pid)
        family: Sequence[psutil.Process] = [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    os.kill(pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=END_S)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=END_S)


def _running(port: int) -> int | None:
    """Return the process id of the cluster that :func:`_up` started at a port; None if it does not run."""
    try:
        known = json.loads(_state(port).read_text(encoding="utf-8"))
        pid, began = int(known["pid"]), float(known["began"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if _began(pid) == began else None


def _began(pid: int) -> float:
    """Return when a process began, which tells it from a later one with the same id; 0 if there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def _state(port: int) -> Path:
    from neurosurgeon_ros.models.files import cache_folder

    return cache_folder() / f"cluster-{port}.json"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
