# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
import pytest
from testbed.machine import share_out, usable_cores
from testbed.network import LoopbackNetwork
from testbed.run import Setting, run_system
from testbed.scenario import constant
from testbed.systems import System

from neurosurgeon_ros.models.files import FileProblem, find


def test_a_system_runs_over_the_emulated_link_and_every_frame_is_counted(tmp_path):
    try:
        video = find("bikes.mp4")
        find("yolov3-tiny.weights")
    except FileProblem as problem:
        pytest.skip(str(problem))
    scenario = constant(50.0, camera_hz=4.0, frames=6)
    with LoopbackNetwork() as network:
        setting = Setting(network, share_out(usable_cores()), video, "yolov3_tiny", 1.0, tmp_path)
        seen = run_system(System("jpeg_80", jpeg_quality=80), scenario, setting, warm_up=4)
    assert len(seen.delays_s) == len(seen.frames) == 6
    assert all(delay > 0.0 for delay in seen.delays_s)
    assert seen.answered > 0
    assert seen.wire_bytes > 6 * 1000
    assert seen.robot_cpu_s > 0.0
    assert seen.edge_cpu_s > 0.0
