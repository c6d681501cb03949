# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure by how much a robot's own calibration lengthens its frames.

    tools/run python benchmarks/auto_calibration.py --model MODULE:FACTORY [--hz 10] [--frames 200] [--policy on_device]

A real robot node takes the frames of the street video from a camera in this process, first without `auto_calibrate` and
then with it, each time with an empty cache folder. The script prints the delays of its frames, how many frames it did
not take, and how far the calibration came.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.models.files import find
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.ros import qos

#: Frames that do not count: the first ones pay for what is made once.
WARM_UP = 10


class Camera(Node):
    """Publishes the frames of a video, and collects what the robot says of them."""

    def __init__(self, hz: float, frames: int) -> None:
        super().__init__("camera")
        capture = cv2.VideoCapture(str(find("bikes.mp4")))
        every = max(1, round(capture.get(cv2.CAP_PROP_FPS) / hz))
        self._images = []
        while (read := capture.read())[0]:
            self._images.append(from_bgr(np.asarray(read[1], dtype=np.uint8), None))
        self._images = self._images[::every]
        self._most = frames
        self.shown = 0
        self.delays_s: list[float] = []
        self.status = "?"
        self._publisher = self.create_publisher(Image, "image_raw", 10)
        self.create_subscription(PartitionDecision, "robot_node/decision", self._on_decision, qos.DECISION)
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.DIAGNOSTICS)
        self.create_timer(1.0 / hz, self._show)

    @property
    def is_done(self) -> bool:
        """Return whether all frames are shown."""
        return self.shown >= self._most

    def _show(self) -> None:
        if self._publisher.get_subscription_count() and not self.is_done:
            self._publisher.publish(self._images[self.shown % len(self._images)])
            self.shown += 1

    def _on_decision(self, message: PartitionDecision) -> None:
        self.delays_s.append(message.total_delay)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status = next((one.value for one in status.values if one.key == "auto-calibration"), self.status)


def run(args: argparse.Namespace, *, calibrates: bool) -> str:
    """Run a robot, and return the line of the table."""
    words = [f"model:={args.model}", f"policy:={args.policy}", f"threads:={args.threads}"]
    words.append(f"auto_calibrate:={str(calibrates).lower()}")
    with tempfile.TemporaryDirectory() as cache:
        for file in find("bikes.mp4").parent.iterdir():
            if file.is_file():
                (Path(cache) / file.name).symlink_to(file)
        environment = {**os.environ, "NEUROSURGEON_CACHE": cache}
        command = ["robot_node", "--ros-args", *(word for one in words for word in ("-p", one))]
        robot = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        rclpy.init()
        try:
            camera = Camera(args.hz, args.frames)
            executor = SingleThreadedExecutor()
            executor.add_node(camera)
            end = time.monotonic() + 60.0 + 2.0 * args.frames / args.hz
            while not camera.is_done and time.monotonic() < end:
                executor.spin_once(timeout_sec=0.1)
            last = time.monotonic() + 1.2
            while time.monotonic() < last:
                executor.spin_once(timeout_sec=0.1)
        finally:
            robot.terminate()
            robot.wait()
            rclpy.shutdown()
    delays_ms = 1e3 * np.array(camera.delays_s[WARM_UP:] or [float("nan")])
    middle, high, highest = np.percentile(delays_ms, [50, 99, 100])
    name = "with" if calibrates else "without"
    dropped = camera.shown - len(camera.delays_s)
    return f"{name:>8} {middle:8.1f} {high:8.1f} {highest:8.1f} {dropped:8d}   {camera.status if calibrates else ''}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run both robots and print their delays; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="your own network, package.module:factory or a .pt2 file")
    parser.add_argument("--hz", type=float, default=10.0)
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--policy", default="on_device")
    parser.add_argument("--modes", nargs="+", choices=("without", "with"), default=["without", "with"])
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args(argv)
    print(f"{'':>8} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8} {'dropped':>8}")
    for mode in args.modes:
        print(run(args, calibrates=mode == "with"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
