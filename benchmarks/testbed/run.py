# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One run: starts a system's processes on both sides, follows the scenario, and returns what was measured."""

from __future__ import annotations

import contextlib
import json
import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.alternatives import DetectorTask
from testbed.camera import START_S, CameraTask
from testbed.delays import frame_delays
from testbed.machine import Cores, cpu_seconds
from testbed.network import LoopbackNetwork, NamespaceNetwork, Side
from testbed.processes import Processes
from testbed.relay import RelayTask
from testbed.scenario import Scenario, Step
from testbed.systems import System
from testbed.trace_network import TraceNetwork

#: Factor by which the competing processes slow the edge's back-end down; one process fewer than this per core.
SLOWDOWN = 6

#: Additional seconds that a run may take, and that each raw image may take, because `publish` waits for a slow link.
PATIENCE_S, RAW_IMAGE_S = 30.0, 3.0

UPLINK = "/neurosurgeon/uplink"


class RunProblem(RuntimeError):
    """A run cannot continue. The message is one sentence."""


@dataclass(frozen=True, slots=True)
class Setting:
    """
    The part of the set-up that is the same for all runs.

    :param cores: cores of each side.
    :param video: video that the camera plays.
    :param model: name of the network.
    :param robot_speed: speed of the emulated robot as a fraction of one core's speed, in (0, 1].
    :param out: output folder.
    :param calibration: file of this package's calibration; None for the shipped one.
    """

    network: NamespaceNetwork | LoopbackNetwork
    cores: Cores
    video: Path
    model: str
    robot_speed: float
    out: Path
    calibration: Path | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """
    Measurements of one run.

    :param delays_s: delay of every counted frame, see :func:`.delays.frame_delays`.
    :param frames: the counted frames, as the camera recorded them.
    :param decisions: this package's decisions for these frames; empty for other systems.
    :param seconds: duration of the counted frames.
    :param wire_bytes: bytes on the link, in both directions.
    :param robot_cpu_s: processor seconds of the processes on the robot.
    :param edge_cpu_s: processor seconds of the processes on the edge, without the competing ones.
    :param trace_s: monotonic time at which the recorded link began; NaN without one.
    """

    delays_s: list[float]
    frames: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    seconds: float
    wire_bytes: int
    robot_cpu_s: float
    edge_cpu_s: float
    trace_s: float = math.nan

    @property
    def answered(self) -> int:
        """Return the number of frames whose own detections arrived."""
        return sum("answered_s" in frame for frame in self.frames)


def run_system(system: System, scenario: Scenario, setting: Setting, *, number: int = 0, warm_up: int) -> Seen:
    """
    Run one system through one scenario.

    :param number: number of the round; names the folder, and chooses the video frame that the camera begins with.
    :param warm_up: number of frames before the counted ones.
    :raises RunProblem: if a process ends, or no result arrives.
    """
    folder = run_folder(system, scenario, setting, number)
    with Processes(setting.network, setting.cores, folder) as processes:
        setting.network.set_rate(scenario.steps[0].uplink_mbps)
        relay = _start_nodes(system, scenario, setting, processes)
        competitor = _start_competitor(scenario, setting, processes)
        out = folder / "camera.json"
        camera = processes.module(
            Side.ROBOT, "camera", _camera_task(system, scenario, setting, str(out), warm_up, number)
        )
        raw = warm_up + scenario.frames if system.sends_images and system.images == "raw" else 0
        patience_s = PATIENCE_S + RAW_IMAGE_S * raw
        return _follow(scenario, setting, processes, camera, relay, competitor, out, patience_s)


def run_folder(system: System, scenario: Scenario, setting: Setting, number: int) -> Path:
    """Return the folder of one run's logs and records."""
    kind = "runs" if scenario.trace is None else "links"
    return setting.out / kind / scenario.name / f"{system.name}-{number}"


def _start_nodes(
    system: System, scenario: Scenario, setting: Setting, processes: Processes
) -> subprocess.Popen[str] | None:
    """Start all processes except the camera. Returns the relay if the link is emulated, else None."""
    edge_threads = len(setting.cores.edge)
    relay: subprocess.Popen[str] | None = None
    rate = scenario.steps[0].uplink_mbps
    if system.is_package:
        remapped = {}
        if setting.network.emulated and system.policy != "on_device":
            task = RelayTask("PartialInference", UPLINK, "/neurosurgeon/partial_inference", rate)
            relay = processes.module(Side.ROBOT, "relay", task)
            remapped = {"/neurosurgeon/partial_inference": UPLINK}
        processes.node(Side.EDGE, "edge_node", {"model": setting.model, "threads": edge_threads})
        robot: dict[str, object] = {
            "model": setting.model,
            "policy": system.policy,
            "robot_speed": setting.robot_speed,
            "threads": 1 if setting.robot_speed < 1.0 else len(setting.cores.robot),
            "auto_calibrate": False,  # every run of a system has the same arms
        }
        if setting.calibration is not None:
            robot["calibration"] = str(setting.calibration)
        if system.min_fidelity is not None:
            robot["min_fidelity"] = system.min_fidelity
        if system.codecs:
            robot["codecs"] = system.codecs
        if system.max_in_flight > 1:
            robot["max_in_flight"] = system.max_in_flight
        processes.node(Side.ROBOT, "robot_node", robot, remapped)
        return relay
    if system.on_robot:
        processes.module(Side.ROBOT, "alternatives", DetectorTask(setting.model, speed=setting.robot_speed, threads=1))
        return None
    kind, topic = ("Image", "image_raw") if system.images == "raw" else ("CompressedImage", "image_raw/compressed")
    if setting.network.emulated:
        relay = processes.module(Side.ROBOT, "relay", RelayTask(kind, topic, "uplink_images", rate))
        topic = "uplink_images"
    task = DetectorTask(setting.model, system.images, over_a_link=True, topic=topic, threads=edge_threads)
    processes.module(Side.EDGE, "alternatives", task)
    return relay


def _camera_task(
    system: System, scenario: Scenario, setting: Setting, out: str, warm_up: int, number: int
) -> CameraTask:
    awaited: tuple[str, ...] = ()
    if system.is_package:
        awaited = ("/neurosurgeon/partial_inference",)
    elif setting.network.emulated and system.sends_images:
        awaited = ("uplink_images",)
    return CameraTask(
        video=str(setting.video),
        out=out,
        rate_hz=scenario.camera_hz,
        frames=scenario.frames,
        warm_up=warm_up,
        jpeg_quality=system.jpeg_quality,
        h264=system.h264,
        over_a_link=system.sends_images,
        speed=setting.robot_speed,
        offset=number * scenario.frames,
        await_topics=awaited,
        package=system.is_package,
    )


def _start_competitor(scenario: Scenario, setting: Setting, processes: Processes) -> list[subprocess.Popen[str]]:
    """Start the processes that compete for the edge's cores, and stop them until a step needs them."""
    if not any(step.busy_edge for step in scenario.steps):
        return []
    number = (SLOWDOWN - 1) * len(setting.cores.edge)
    code = "while True: pass"
    made = [processes.start(Side.EDGE, "competitor", [sys.executable, "-S", "-c", code]) for _ in range(number)]
    _signal(made, signal.SIGSTOP)
    return made


def _follow(
    scenario: Scenario,
    setting: Setting,
    processes: Processes,
    camera: subprocess.Popen[str],
    relay: subprocess.Popen[str] | None,
    competitor: list[subprocess.Popen[str]],
    out: Path,
    patience_s: float,
) -> Seen:
    """Follow the scenario from the first counted frame on, and return the measurements."""
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(camera, said), daemon=True)
    reader.start()
    _await(said, "begin", processes, START_S + patience_s)
    begin_s = time.monotonic()
    trace_s = _replay(scenario, setting)
    robots, edges = processes.pids(Side.ROBOT), processes.pids(Side.EDGE)
    ours = [pid for pid in edges if pid not in {one.pid for one in competitor}]
    bytes_before = _wire_bytes(setting, relay)
    cpu_before = cpu_seconds(robots), cpu_seconds(ours)
    for step in () if scenario.trace else scenario.steps:
        _sleep_until(begin_s + step.at_s)
        _apply(step, setting, relay, competitor)
    _await(said, "end", processes, begin_s + scenario.frames / scenario.camera_hz + patience_s - time.monotonic())
    end_s = time.monotonic()
    _signal(competitor, signal.SIGSTOP)
    wire_bytes = _wire_bytes(setting, relay) - bytes_before
    robot_cpu_s, edge_cpu_s = cpu_seconds(robots) - cpu_before[0], cpu_seconds(ours) - cpu_before[1]
    camera.wait(PATIENCE_S)
    seen = json.loads(out.read_text(encoding="utf-8"))
    frames, warm_up = seen["frames"][seen["warm_up"] :], seen["warm_up"]
    return Seen(
        delays_s=frame_delays([f["sent_s"] for f in frames], [f.get("answered_s") for f in frames], end_s=end_s),
        frames=frames,
        decisions=[one for one in seen["decisions"] if one["frame"] >= warm_up],
        seconds=max(scenario.frames / scenario.camera_hz, frames[-1]["sent_s"] - frames[0]["sent_s"]),
        wire_bytes=wire_bytes,
        robot_cpu_s=robot_cpu_s,
        edge_cpu_s=edge_cpu_s,
        trace_s=trace_s,
    )


def _replay(scenario: Scenario, setting: Setting) -> float:
    """Begin the scenario's recorded link. Returns the monotonic time at which it begins; NaN if there is none."""
    if scenario.trace is None:
        return math.nan
    assert isinstance(setting.network, TraceNetwork)
    return setting.network.replay(scenario.trace)


def _apply(
    step: Step, setting: Setting, relay: subprocess.Popen[str] | None, competitor: list[subprocess.Popen[str]]
) -> None:
    setting.network.set_rate(step.uplink_mbps)
    if relay is not None and relay.stdin is not None:
        relay.stdin.write(f"{step.uplink_mbps}\n")
        relay.stdin.flush()
    _signal(competitor, signal.SIGCONT if step.busy_edge else signal.SIGSTOP)


def _wire_bytes(setting: Setting, relay: subprocess.Popen[str] | None) -> int:
    counted = setting.network.wire_bytes()
    if counted is not None:
        return counted
    if relay is None or relay.stdin is None or relay.stdout is None:
        return 0
    relay.stdin.write("\n")
    relay.stdin.flush()
    return int(relay.stdout.readline())


def _read(process: subprocess.Popen[str], said: queue.SimpleQueue[str]) -> None:
    if process.stdout is not None:
        for line in process.stdout:
            said.put(line.strip())


def _await(said: queue.SimpleQueue[str], word: str, processes: Processes, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        with contextlib.suppress(queue.Empty):
            if said.get(timeout=0.2) == word:
                return
        if said.empty() and (ended := processes.ended()):
            raise RunProblem(ended)
    raise RunProblem(f"the camera did not say {word!r} within {seconds:.0f} s")


def _sleep_until(moment_s: float) -> None:
    time.sleep(max(0.0, moment_s - time.monotonic()))


def _signal(processes: list[subprocess.Popen[str]], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
