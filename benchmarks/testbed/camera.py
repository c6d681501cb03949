# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The camera of a run, a process on the robot. It publishes images and records when detections arrive.

``python -m testbed.camera '{…}'``; the argument is :class:`CameraTask` as JSON. It prints `begin` with the first
counted frame and `end` after the last answer, and writes a file with everything that it recorded.
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
from std_msgs.msg import Empty, Header
from vision_msgs.msg import Detection2DArray

from neurosurgeon_ros.camera.images import from_bgr
from neurosurgeon_ros.camera.video_source import VideoSource
from neurosurgeon_ros.diagnostics.monitor import to_seen_decision, to_seen_detections
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import apply_profile
from testbed.h264_stream import H264Encoder, encode_seconds
from testbed.qos import IMAGES_OVER_A_LINK, SENSOR_DATA, STREAM_ANSWERS
from testbed.stream_sender import StreamSender

#: Maximum seconds until all nodes have started, and for which the camera waits for the last answers.
START_S, LAST_ANSWERS_S = 90.0, 4.0


@dataclass(frozen=True, slots=True)
class CameraTask:
    """
    Task of the camera.

    :param video: path of the video.
    :param out: path of the file that it writes.
    :param rate_hz: images per second.
    :param frames: number of counted frames.
    :param warm_up: number of frames before the counted ones.
    :param jpeg_quality: quality of the published CompressedImage; 0 to publish Image.
    :param h264: preset and crf of the published H.264 stream; None for images without memory.
    :param over_a_link: whether the images go to another machine, which requires reliable QoS.
    :param speed: speed of the emulated robot as a fraction of one core's, for the encoding.
    :param await_topics: topics that must have a subscription before the first frame.
    :param offset: number of the video frame for the first counted frame; differs from round to round.
    :param package: whether this package runs: use its Fast DDS profile, and record the robot's decisions.
    """

    video: str
    out: str
    rate_hz: float
    frames: int
    warm_up: int
    jpeg_quality: int = 0
    h264: tuple[str, int] | None = None
    over_a_link: bool = False
    speed: float = 1.0
    await_topics: tuple[str, ...] = ()
    offset: int = 0
    package: bool = False


class Camera(Node):
    """Publishes from the main thread, and receives detections in the executor's thread."""

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
        self._sender: StreamSender | None = None
        profile = IMAGES_OVER_A_LINK if task.over_a_link else SENSOR_DATA
        if task.h264:
            self._images = self.create_publisher(CompressedImage, "image_raw/compressed", profile)
            self._sender = self._open_stream(*task.h264)
        elif task.jpeg_quality:
            self._images = self.create_publisher(CompressedImage, "image_raw/compressed", profile)
            self._encode_s = least_seconds(lambda: to_jpeg(self._frames[0], task.jpeg_quality))
        else:
            self._images = self.create_publisher(Image, "image_raw", profile)
        self.create_subscription(Detection2DArray, "detections", self._on_detections, qos.DETECTIONS)
        if task.package:
            self.create_subscription(PartitionDecision, "robot_node/decision", self._on_decision, qos.DECISION)

    def _open_stream(self, preset: str, crf: int) -> StreamSender:
        seconds = encode_seconds(preset, crf, self._frames)
        sender = StreamSender(H264Encoder(preset, crf), seconds, self._throttle, self._publish_packet)
        self.create_subscription(Header, "image_raw/decoded", sender.acknowledge, STREAM_ANSWERS)
        self.create_subscription(Empty, "image_raw/key_request", lambda _: sender.request_key(), STREAM_ANSWERS)
        return sender

    def _publish_packet(self, header: Header, data: memoryview) -> None:
        # foxglove_msgs/CompressedVideo, which is not installed, has the same fields.
        self._images.publish(CompressedImage(header=header, format="h264", data=array.array("B", data.tobytes())))

    def run(self) -> None:
        """Publish all frames at the camera's rate, and wait for the last answer."""
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
        if self._sender:
            self._sender.close()
        print("end", flush=True)

    def write(self) -> None:
        """Write the recorded frames and decisions."""
        frames = [
            {"video_frame": self._video_frame(index), "sent_s": sent_s, **self._answers.get(index, {})}
            for index, sent_s in enumerate(list(self._sent_s))
        ]
        seen = {"warm_up": self._task.warm_up, "frames": frames, "decisions": self._decisions}
        Path(self._task.out).write_text(json.dumps(seen), encoding="utf-8")

    def _await_listeners(self) -> None:
        end_s = time.monotonic() + START_S
        while (
            self._images.get_subscription_count() == 0
            or not all(self.count_subscribers(topic) for topic in self._task.await_topics)
            or (self._sender and not self.count_publishers("image_raw/decoded"))
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
        if self._sender:
            self._sender.put(header, frame)
            return
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
    Decode a whole video in advance, so that decoding takes no time during a run.

    :param rate_hz: images per second of the camera. Objects move as fast as in the video at every rate.
    :returns: images until they repeat, see :func:`seen_frames`.
    """
    frames = []
    with VideoSource(path) as source:
        step = source.rate_hz / rate_hz
        while (frame := source.read()) is not None:
            frames.append(frame)
    return [frames[index] for index in seen_frames(len(frames), step)]


def seen_frames(count: int, step: float) -> list[int]:
    """
    Return which frames of a video a camera sees. The video repeats, each time beginning one frame later.

    A constant whole step would coincide with the period of video compression: in the shipped video, every second frame
    loses less by JPEG than the frames between.

    :param count: number of frames of the video.
    :param step: number of video frames for one camera frame; values below 1 count as 1.
    :returns: frame numbers until they repeat.
    """
    step = max(1.0, step)
    once = math.ceil(count / step)
    return [(int(number * step) + start) % count for start in range(int(step)) for number in range(once)]


def to_jpeg(image: NDArray[np.uint8], quality: int) -> array.array[int]:
    """Compress an image as image_transport's plugin does."""
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert encoded
    return array.array("B", data.tobytes())


def least_seconds(step: Any, repeats: int = 9) -> float:
    """Return the shortest of several measured times of a step."""
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
