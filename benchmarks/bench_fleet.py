# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure what one edge can serve: many robots as light clients over DDS, and each place for back-ends side by side.

With a null back-end: requests a second, delays, processor time of the edge for each request, and its memory for each
robot, for tensors of 2 to 100 kB. With a real one (yolov3_tiny): frames a second of `local` with one thread, and of
`pool` and `ray` with two workers of one thread each. `ray` is left out where Ray is not installed.

    make bench-fleet BENCH="--seconds 5"
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]

#: Size of the tensors in kB.
SIZES = (2, 4, 20, 100)

#: A real network, and the number of robots that ask for it at once.
REAL, REAL_ROBOTS = "yolov3_tiny", 6

#: Maximum number of robots of one edge, as EdgeStatus bounds it.
MOST_ROBOTS = 64

#: Seconds of load within which Ray has added a replica.
RAY_WARM_UP_S = 20.0

#: Domain of this benchmark's DDS.
DOMAIN = "117"


@dataclass(frozen=True, slots=True)
class Load:
    """
    A load and the edge that bears it.

    :param place: value of `back_end`.
    :param rate: requests a second of each robot; 0: each sends the next one when the last one is answered.
    :param warm_up_s: seconds before the measurement, in which Ray adds replicas.
    """

    place: str
    model: str
    robots: int
    rate: float = 0.0
    workers: int = 2
    warm_up_s: float = 1.0


@contextlib.contextmanager
def edge_of(load: Load) -> Iterator[subprocess.Popen[str]]:
    """Run an edge."""
    values = {
        "model": load.model,
        "random_weights": "true",
        "threads": "1",
        "back_end": load.place,
        "back_end_workers": str(load.workers),
        "max_batch": "1",
        "max_robots": str(MOST_ROBOTS),
        "max_queue": "256",
        "max_request_rate": "100000.0",
    }
    arguments = [word for name, value in values.items() for word in ("-p", f"{name}:={value}")]
    edge = subprocess.Popen(
        ["edge_node", "--ros-args", *arguments],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert edge.stdout is not None
        for line in edge.stdout:
            if "back-ends that robots may share" in line:
                break
            if "FATAL" in line or "cannot" in line:
                raise SystemExit(line)
        yield edge
    finally:
        edge.send_signal(signal.SIGTERM)
        try:
            edge.communicate(timeout=30.0)
        except subprocess.TimeoutExpired:
            edge.kill()


def measure(load: Load, seconds: float, clients: int = 2) -> dict[str, Any]:
    """Measure one load."""
    with edge_of(load) as edge:
        process = psutil.Process(edge.pid)
        before_bytes = process.memory_info().rss
        robots = [
            subprocess.Popen(
                _client(load, seconds, first=index, clients=clients),
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for index in range(clients)
        ]
        for one in robots:
            assert one.stdout is not None
            if one.stdout.readline().strip() != "ready":
                raise SystemExit(f"{load}: a process of robots did not start")
        for one in robots:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        time.sleep(load.warm_up_s)
        begin_s, begin_cpu_s = time.monotonic(), _cpu_s(process)
        answers = [one.communicate(timeout=load.warm_up_s + seconds + 60.0)[0] for one in robots]
        took_s, cpu_s = time.monotonic() - begin_s, _cpu_s(process) - begin_cpu_s
        grown_bytes = process.memory_info().rss - before_bytes
    members = [member for answer in answers for member in json.loads(answer)]
    return {**asdict(load), **_summary(members, seconds, took_s, cpu_s, grown_bytes)}


def _summary(
    members: Sequence[dict[str, Any]], seconds: float, took_s: float, cpu_s: float, grown_bytes: int
) -> dict[str, Any]:
    delays_s = sorted(delay for member in members for delay in member["delays_s"])
    served = [len(member["delays_s"]) for member in members]
    if not delays_s:
        sent, refused = (sum(member[name] for member in members) for name in ("sent", "refused"))
        raise SystemExit(f"none of {sent} requests was answered, {refused} were refused")
    return {
        "seconds": seconds,
        "sent": sum(member["sent"] for member in members),
        "answered": len(delays_s),
        "refused": sum(member["refused"] for member in members),
        "lost": sum(member["lost"] for member in members),
        "per_s": round(len(delays_s) / seconds, 1),
        "p50_ms": round(1e3 * statistics.median(delays_s), 2),
        "p99_ms": round(1e3 * delays_s[int(0.99 * (len(delays_s) - 1))], 2),
        "edge_cpu_ms": round(1e3 * cpu_s / len(delays_s), 3),
        "edge_cores": round(cpu_s / took_s, 2),
        "jain": round(sum(served) ** 2 / (len(served) * sum(n * n for n in served)), 4),
        "kb_per_robot": round(grown_bytes / 1e3 / len(members)),
    }


def _client(load: Load, seconds: float, *, first: int, clients: int) -> list[str]:
    share = [load.robots // clients + (index < load.robots % clients) for index in range(clients)]
    values = {
        "first": sum(share[:first]),
        "robots": share[first],
        "model": load.model,
        "rate": load.rate,
        "warm-up": load.warm_up_s,
    }
    words = [f"--{name}={value}" for name, value in values.items()]
    return [sys.executable, str(ROOT / "benchmarks" / "fleet_robots.py"), *words, f"--seconds={seconds}"]


def _cpu_s(process: psutil.Process) -> float:
    """Return the processor time of an edge and its workers, in seconds."""
    family = [process, *process.children(recursive=True)]
    return float(sum(one.cpu_times().user + one.cpu_times().system for one in family))


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "ROS_DOMAIN_ID": DOMAIN, "OMP_NUM_THREADS": "1"}


@contextlib.contextmanager
def cluster(*, wanted: bool) -> Iterator[bool]:
    """Run a Ray cluster if it is wanted and Ray is installed."""
    there = wanted and importlib.util.find_spec("ray") is not None
    command = ["neurosurgeon", "cluster"]
    if there:
        subprocess.run([*command, "up"], check=True, env=_environment())
    try:
        yield there
    finally:
        if there:
            subprocess.run([*command, "down"], check=True, env=_environment())


def main() -> None:
    """Measure all loads and write out/bench/fleet.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds of each load (default: 10)")
    parser.add_argument("--only", choices=("null", "many", "places"), help="measure one part")
    parser.add_argument("--no-ray", action="store_true", help="leave out the Ray cluster")
    parser.add_argument("--json", type=Path, default=ROOT / "out" / "bench" / "fleet.json", help="file to write")
    args = parser.parse_args()
    loads: dict[str, list[Load]] = {
        "null": [Load("local", f"fleet_networks:null_{size}", robots=16) for size in SIZES],
        "many": [Load("local", "fleet_networks:null_4", robots=MOST_ROBOTS, rate=10.0)],
        "places": [],
    }
    with cluster(wanted=not args.no_ray and args.only in (None, "places")) as has_ray:
        for place in ("local", "pool", "ray") if has_ray else ("local", "pool"):
            loads["places"].append(Load(place, "fleet_networks:null_4", robots=1))
            warm_up_s = RAY_WARM_UP_S if place == "ray" else 1.0
            loads["places"].append(Load(place, REAL, robots=REAL_ROBOTS, warm_up_s=warm_up_s))
        results: dict[str, list[dict[str, Any]]] = {}
        for part in [args.only] if args.only else list(loads):
            for load in loads[part]:
                result = measure(load, args.seconds, clients=min(2, load.robots))
                results.setdefault(part, []).append(result)
                print(json.dumps(result), flush=True)
    args.json.parent.mkdir(parents=True, exist_ok=True)
    args.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
