# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
import json

import pytest
from testbed.machine import share_out, usable_cores
from testbed.network import LoopbackNetwork, NetworkProblem
from testbed.run import Setting, run_folder, run_system
from testbed.scenario import constant, recorded
from testbed.systems import System, systems
from testbed.trace_network import TraceNetwork
from testbed.trace_record import robot_arms, write_record
from testbed.traces import Trace

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import FileProblem, find


@pytest.fixture
def video():
    """The shipped video, where it and the weights are there."""
    try:
        find("yolov3-tiny.weights")
        return find("bikes.mp4")
    except FileProblem as problem:
        pytest.skip(str(problem))


@pytest.mark.parametrize(
    "system", [System("jpeg_80", jpeg_quality=80), System("h264", h264=("ultrafast", 20))], ids=lambda one: one.name
)
def test_a_system_runs_over_the_emulated_link_and_every_frame_is_counted(tmp_path, video, system):
    scenario = constant(50.0, camera_hz=4.0, frames=6)
    with LoopbackNetwork() as network:
        setting = Setting(network, share_out(usable_cores()), video, "yolov3_tiny", 1.0, tmp_path)
        seen = run_system(system, scenario, setting, warm_up=4)
    assert len(seen.delays_s) == len(seen.frames) == 6
    assert all(delay > 0.0 for delay in seen.delays_s)
    assert seen.answered > 0
    assert seen.wire_bytes > 6 * 1000
    assert seen.robot_cpu_s > 0.0
    assert seen.edge_cpu_s > 0.0


def test_the_default_runs_on_a_recorded_link_and_leaves_a_record_to_simulate_it_from(tmp_path, video):
    trace = Trace("drive", (20.0, 0.0, 40.0, 30.0) * 5)
    scenario, system = recorded(trace, camera_hz=4.0), systems(90)[0]
    try:
        with TraceNetwork() as network:
            setting = Setting(network, share_out(usable_cores()), video, "yolov3_tiny", 0.5, tmp_path)
            seen = run_system(system, scenario, setting, warm_up=4)
            counts = network.counts()
    except NetworkProblem as problem:
        pytest.skip(f"needs root, iproute2 and tun: {problem}")
    folder = run_folder(system, scenario, setting, 0)
    table = robot_arms(Engine.load("yolov3_tiny"), setting)
    write_record(folder, system, scenario, setting, seen, counts, table, pixels=640 * 272)
    record = json.loads((folder / "run.json").read_text())
    assert len(record["frames"]) == 4 + len(seen.frames) == 4 + 8
    assert [frame["counted"] for frame in record["frames"]] == [False] * 4 + [True] * 8
    assert [frame["delay_s"] for frame in record["frames"][4:]] == seen.delays_s
    assert record["link"]["mbps"] == list(trace.mbps)
    assert record["link"]["passed_bytes"] > 0
    names = [arm["name"] for arm in record["arms"]]
    assert names[-1] == "on_device"
    assert record["decisions"]
    assert {one["arm"] for one in record["decisions"]} <= set(names)
