# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how long a robot takes from the start of its process to its first detections, stage by stage.

Starts robot_node several times as ROS does, plays its camera, and prints the median seconds of each stage and of the
whole start. The stages are timed inside the node's process, by wrapping their functions. The whole start is timed by
the camera.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: The timed functions: stage, module (with class), attribute. The time of an inner stage is not added to the outer one.
STAGES = (
    ("ROS 2 context", "neurosurgeon_ros.ros.process.process", "_init"),
    ("node", "neurosurgeon_ros.ros.managed:ManagedNode", "__init__"),
    ("fidelity", "neurosurgeon_ros.nodes.configured_robot", "find_fidelity"),
    ("hellos", "neurosurgeon_ros.nodes.robot_node", "Hellos"),
    ("weights", "neurosurgeon_ros.inference.engine", "load_model"),
    ("trace", "neurosurgeon_ros.partition.network", "_trace"),
    ("cut", "neurosurgeon_ros.partition.network", "find_cuts"),
    ("pack", "neurosurgeon_ros.partition.network", "pack"),
    ("faster steps", "neurosurgeon_ros.partition.network", "exchange_slow_steps"),
    ("fingerprint and rest of partitioning", "neurosurgeon_ros.inference.engine", "partition"),
    ("calibration", "neurosurgeon_ros.calibration.table_builder", "build_arm_table"),
    ("arms, pipeline, topics", "neurosurgeon_ros.ros.managed:ManagedNode", "autostart"),
)
#: Seconds after which a robot that publishes no detections is given up.
LONG_S = 60.0


def node_main(out: Path, started_s: float, arguments: list[str]) -> int:
    """Run robot_node, and write how many seconds each stage took to `out` once the node is up."""
    # As in the executable. The signal handlers are installed once the node is up.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    seconds = {"interpreter": time.monotonic() - started_s}
    inside: list[float] = []

    def timed(stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            inside.append(0.0)
            begin = time.monotonic()
            try:
                return function(*args, **kwargs)
            finally:
                took_s = time.monotonic() - begin
                seconds[stage] = seconds.get(stage, 0.0) + took_s - inside.pop()
                if inside:
                    inside[-1] += took_s

        return wrapper

    begin = time.monotonic()
    from neurosurgeon_ros.nodes.start import missing

    for name in ("rclpy", "torch", "cv2"):
        before = time.monotonic()
        importlib.import_module(name)
        seconds[f"import {name}"] = time.monotonic() - before
    missing("robot_node")
    node = importlib.import_module("neurosurgeon_ros.nodes.robot_node")
    seconds["other imports"] = time.monotonic() - begin - sum(seconds[f"import {n}"] for n in ("rclpy", "torch", "cv2"))
    for stage, place, attribute in STAGES:
        module, _, owner = place.partition(":")
        holder: Any = importlib.import_module(module)
        holder = getattr(holder, owner) if owner else holder
        setattr(holder, attribute, timed(stage, getattr(holder, attribute)))
    make = node.make_robot_node

    def make_and_tell() -> Any:
        made = make()
        seconds["up"] = time.monotonic() - started_s
        out.write_text(json.dumps(seconds))
        return made

    node.make_robot_node = make_and_tell
    code: int = node.main(arguments)
    return code


def start_once(parameters: list[str]) -> dict[str, float]:
    """Start a robot, play its camera until the first detections arrive, and return the seconds of each stage."""
    import numpy as np
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import Image
    from vision_msgs.msg import Detection2DArray

    from neurosurgeon_ros.camera.images import from_bgr

    picture = from_bgr(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8), None)
    came: list[float] = []
    sent: list[float] = []
    node = rclpy.create_node("camera")
    publisher = node.create_publisher(Image, "image_raw", qos_profile_sensor_data)
    node.create_subscription(Detection2DArray, "detections", lambda _: came.append(time.monotonic()), 10)

    def show() -> None:
        if publisher.get_subscription_count():
            sent.append(time.monotonic())
            publisher.publish(picture)

    node.create_timer(1 / 30, show)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stages.json"
        started_s = time.monotonic()
        words = [sys.executable, __file__, "--node", str(out), str(started_s)]
        robot = subprocess.Popen([*words, "--ros-args", *parameters], stdout=subprocess.DEVNULL)
        try:
            while not came and time.monotonic() < started_s + LONG_S:
                rclpy.spin_once(node, timeout_sec=0.05)
        finally:
            robot.send_signal(signal.SIGINT)
            robot.wait()
            node.destroy_node()
        if not came:
            raise RuntimeError(f"the robot gave no detections within {LONG_S:g} s")
        seconds: dict[str, float] = json.loads(out.read_text())
    seconds["up to first image"] = sent[0] - started_s - seconds["up"]
    seconds["first image to first detections"] = came[0] - sent[0]
    seconds["whole"] = came[0] - started_s
    return seconds


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="yolov3_tiny", help="a registered network (default: yolov3_tiny)")
    parser.add_argument("--starts", type=int, default=3, help="measured starts, after one that warms up (default: 3)")
    parser.add_argument("--json", type=Path, help="also write the medians to this file")
    arguments = parser.parse_args()
    import rclpy

    from neurosurgeon_ros.cli.demo.domain import private_domain

    with private_domain() as domain:
        os.environ.update(domain)
        rclpy.init()
        runs = [start_once(["-p", f"model:={arguments.network}"]) for _ in range(arguments.starts + 1)][1:]
        rclpy.try_shutdown()
    medians = {stage: statistics.median(run.get(stage, 0.0) for run in runs) for stage in runs[0]}
    print("| stage | seconds |\n| --- | --: |")
    for stage, seconds in medians.items():
        print(f"| {stage} | {seconds:.2f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(medians, indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--node"]:
        sys.exit(node_main(Path(sys.argv[2]), float(sys.argv[3]), [sys.argv[0], *sys.argv[4:]]))
    main()
