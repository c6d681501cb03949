# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The figures of the fleet's benchmark, and how its robots are divided among processes."""

from __future__ import annotations

import pytest
from bench_fleet import Load, _client, _summary

from neurosurgeon_ros.inference.engine import Engine


def test_figures_are_those_of_all_robots() -> None:
    members = [
        {"sent": 102, "refused": 1, "lost": 1, "delays_s": [0.001] * 99 + [0.101]},
        {"sent": 100, "refused": 0, "lost": 0, "delays_s": [0.003] * 100},
    ]
    found = _summary(members, seconds=10.0, took_s=11.0, cpu_s=2.2, grown_bytes=3_000_000)
    assert (found["sent"], found["answered"], found["refused"], found["lost"]) == (202, 200, 1, 1)
    assert (found["per_s"], found["edge_cpu_ms"], found["edge_cores"]) == (20.0, 11.0, 0.2)
    assert (found["p50_ms"], found["p99_ms"], found["jain"], found["kb_per_robot"]) == (3.0, 3.0, 1.0, 1500)


@pytest.mark.parametrize(("robots", "clients"), [(16, 2), (7, 3), (1, 1)])
def test_every_robot_is_in_one_process(robots: int, clients: int) -> None:
    names: list[int] = []
    for index in range(clients):
        words = _client(Load("local", "m", robots), 1.0, first=index, clients=clients)
        values = dict(word.removeprefix("--").split("=") for word in words if word.startswith("--"))
        names += range(int(values["first"]), int(values["first"]) + int(values["robots"]))
    assert names == list(range(robots))


@pytest.mark.parametrize("kilobytes", [2, 4, 20, 100])
def test_the_null_networks_take_as_many_bytes_as_they_say(kilobytes: int) -> None:
    engine = Engine.load(f"fleet_networks:null_{kilobytes}")
    assert engine.model.example_input.numel() == pytest.approx(1000 * kilobytes, rel=0.07)
    assert engine.on_device >= 1
