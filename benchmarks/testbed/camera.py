# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The camera and the clock of a run, one process on the robot: publishes frames, and notes when detections come.

``python -m testbed.camera '{…}'``; the argument is :class:`CameraTask` as JSON. It says `begin` on its output with the
first frame that counts, `end` when all is over, and writes what it saw to a file.
"""

from __future__ import annotations

import array
import json
import math
import signal
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.camera.video_source import VideoSource
from neurosurgeon_ros.diagnostics.monitor import to_seen_decision, to_seen_detections
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile
from testbed.qos import IMAGES_OVER_A_LINK, SENSOR_DATA

#: Seconds that nodes may take until they are there, and that the last answers may take.
START_S, LAST_ANSWERS_S = 90.0, 4.0


@dataclass(frozen=True, slots=True)
class CameraTask:
    """
    What the camera is to do.

    :param jpeg_quality: publishes CompressedImage of this quality; 0: Image.
    :param over_a_link: the images go to another machine, so that reliability is worth its price.
    :param speed: of the emulated robot, for the encoding.
    :param await_topics: topics on which somebody has to listen before the first frame.
    :param offset: of the video's frame that counts first, so that rounds see different ones.
    :param package: run with this package's Fast DDS profile, and note the robot's decisions.
    """

    video: str
    out: str
    rate_hz: float
    frames: int
    warm_up: int
    jpeg_quality: int = 0
    over_a_link: bool = False
    speed: float = 1.0
    await_topics: tuple[str, ...] = ()
    offset: int = 0
    package: bool = False


class Camera(Node):
    """Publishes from the main thread; detections come in on the executor's."""

    def __init__(self, task: CameraTask) -> None:
        super().__init__("camera", start_parameter_services=False, enable_rosout=False)
        self._task = task
        self._frames = read_video(task.video, rate_hz=task.rate_hz)
        self._throttle = Throttle(task.speed)
        self._index: dict[int, int] = {}
        self._sent_s: list[float] = []
        self._answers: dict[int, dict[str, Any]] = {}
        self._decisions: list[dict[str, Any]] = []
        self._last = threading.Event()
        profile = IMAGES_OVER_A_LINK if task.over_a_link else SENSOR_DATA
        if task.jpeg_quality:
            self._images = self.create_publisher(CompressedImage, "image_raw/compressed", profile)
            self._encode_s = least_seconds(lambda: to_jpeg(self._frames[0], task.jpeg_quality))
        else:
            self._images = self.create_publisher(Image, "image_raw", profile)
        self.create_subscription(Detection2DArray, "detections", self._on_detections, qos.DETECTIONS)
        if task.package:
            self.create_subscription(PartitionDecision, "robot_node/decision", self._on_decision, qos.DECISION)

    def run(self) -> None:
        """Publish everything at the camera's rate, and wait for the last answer."""
        task = self._task
        self._await_listeners()
        period_s, due_s = 1.0 / task.rate_hz, time.monotonic()
        for index in range(task.warm_up + task.frames):
            time.sleep(max(0.0, due_s - time.monotonic()))
            if index == task.warm_up:
                print("begin", flush=True)
            self._publish(index)
            due_s += period_s
        self._last.wait(LAST_ANSWERS_S)
        print("end", flush=True)

    def write(self) -> None:
        """Write what was seen."""
        frames = [
            {"video_frame": self._video_frame(index), "sent_s": sent_s, **self._answers.get(index, {})}
            for index, sent_s in enumerate(list(self._sent_s))
        ]
        seen = {"warm_up": self._task.warm_up, "frames": frames, "decisions": self._decisions}
        Path(self._task.out).write_text(json.dumps(seen), encoding="utf-8")

    def _await_listeners(self) -> None:
        end_s = time.monotonic() + START_S
        while self._images.get_subscription_count() == 0 or not all(
            self.count_subscribers(topic) for topic in self._task.await_topics
        ):
            if time.monotonic() > end_s:
                raise SystemExit("camera: nobody listens to the images")
            time.sleep(0.05)

    def _video_frame(self, index: int) -> int:
        return (index - self._task.warm_up + self._task.offset) % len(self._frames)

    def _publish(self, index: int) -> None:
        task, frame = self._task, self._frames[self._video_frame(index)]
        now = self.get_clock().now()
        self._index[now.nanoseconds] = index
        self._sent_s.append(time.monotonic())
        header = Header(stamp=now.to_msg(), frame_id="camera")
        if not task.jpeg_quality:
            self._images.publish(from_bgr(frame, header))
            return
        with self._throttle.stage(self._encode_s):
            data = to_jpeg(frame, task.jpeg_quality)
        self._images.publish(CompressedImage(header=header, format="bgr8; jpeg compressed bgr8", data=data))

    def _on_detections(self, message: Detection2DArray) -> None:
        now_s = time.monotonic()
        seen = to_seen_detections(message)
        index = self._index.get(seen.header.stamp_ns)
        if index is None:
            return
        answer = {"boxes": seen.boxes.tolist(), "names": seen.names, "scores": seen.scores.tolist()}
        self._answers.setdefault(index, {"answered_s": now_s, **answer})
        if index == self._task.warm_up + self._task.frames - 1:
            self._last.set()

    def _on_decision(self, message: PartitionDecision) -> None:
        seen = to_seen_decision(message)
        index = self._index.get(seen.header.stamp_ns)
        if index is not None:
            self._decisions.append({"frame": index, **asdict(seen)})


def read_video(path: str, *, rate_hz: float) -> list[NDArray[np.uint8]]:
    """
    Decode a whole video beforehand, so that decoding is nobody's cost.

    :param rate_hz: of a camera that sees it: what moves, moves as in the video, however slow the camera is.
    :returns: what the camera sees until its frames come again, see :func:`seen_frames`.
    """
    frames = []
    with VideoSource(path) as source:
        step = source.rate_hz / rate_hz
        while (frame := source.read()) is not None:
            frames.append(frame)
    return [frames[index] for index in seen_frames(len(frames), step)]


def seen_frames(count: int, step: float) -> list[int]:
    """
    Choose what a camera sees of a video that is played again and again, from one frame later each time.

    A step of a whole number would meet the rhythm in which videos are compressed: every other frame of the shipped
    video loses less by JPEG than those between.

    :param count: frames of the video.
    :param step: frames of the video for one of the camera's; at least 1 is taken.
    :returns: their numbers, until they come again.
    """
    step = max(1.0, step)
    once = math.ceil(count / step)
    return [(int(number * step) + start) % count for start in range(int(step)) for number in range(once)]


def to_jpeg(image: NDArray[np.uint8], quality: int) -> array.array[int]:
    """Compress as image_transport's plugin does."""
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert encoded
    return array.array("B", data.tobytes())


def least_seconds(step: Any, repeats: int = 9) -> float:
    """Return the least time of some."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def main() -> int:
    """Run the camera; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    task = CameraTask(**json.loads(sys.argv[1]))
    cv2.setNumThreads(1)
    if task.package:
        apply_profile()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Camera(task)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        node.run()
    finally:
        executor.shutdown(timeout_sec=1.0)
        thread.join(2.0)
        node.write()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
