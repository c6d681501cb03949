# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The alternative to this package: a node that runs the whole network on each image and publishes the detections.

``python -m testbed.alternatives '{…}'``; the argument is :class:`DetectorTask` as JSON. The node runs on the robot, or
on the edge with raw or compressed images. It uses the engine of this package's nodes, and Fast DDS with its defaults.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass

# torch reads this when it is imported. Threads that spin while they wait slow down all other processes.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import cv2
import numpy as np
import rclpy
import torch
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Empty, Header
from vision_msgs.msg import Detection2DArray

from neurosurgeon_ros.calibration.delay_profile import measure_delays
from neurosurgeon_ros.camera.images import to_bgr
from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.robot.slot import LatestSlot
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.result_messages import from_detections
from testbed.h264_stream import H264Decoder
from testbed.qos import IMAGES_OVER_A_LINK, NEWEST_IMAGE, STREAM_ANSWERS


@dataclass(frozen=True, slots=True)
class DetectorTask:
    """
    Task of the detector.

    :param model: name of the network.
    :param images: what it subscribes to: `raw` for Image, `jpeg` for CompressedImage, or `h264` for the packets of a
        stream in CompressedImage.
    :param over_a_link: whether the images come from another machine.
    :param topic: topic of the images; empty for the camera's topic.
    :param speed: speed of the emulated robot as a fraction of one core's; 1 on the edge.
    :param threads: number of torch threads; 0 for torch's default.
    """

    model: str
    images: str = "raw"
    over_a_link: bool = False
    topic: str = ""
    speed: float = 1.0
    threads: int = 0


class Detector(Node):
    """Runs the network in the callback of the images. With a depth of 1, the next image is always the newest."""

    def __init__(self, task: DetectorTask) -> None:
        super().__init__("detector")
        if task.threads:
            torch.set_num_threads(task.threads)
        self._engine = Engine.load(task.model)
        self._engine.warm_up()
        self._throttle = Throttle(task.speed)
        self._preprocess_s = self._network_s = 0.0
        if task.speed < 1.0:
            on_device = self._engine.arms(())
            cost = measure_delays(self._engine, on_device)
            # The pre-processing of this node has no key-frame score, only the letterbox.
            self._preprocess_s = self._least_preprocess_seconds()
            self._network_s = float(cost.front_s[-1]) + cost.postprocess_s
        self._detections = self.create_publisher(Detection2DArray, "detections", qos.DETECTIONS)
        profile = IMAGES_OVER_A_LINK if task.over_a_link else NEWEST_IMAGE
        if task.images == "h264":
            self._receive_stream(task.topic or "image_raw/compressed")
        elif task.images == "jpeg":
            topic = task.topic or "image_raw/compressed"
            self.create_subscription(CompressedImage, topic, self._on_compressed, profile)
        else:
            self.create_subscription(Image, task.topic or "image_raw", self._on_image, profile)

    def _on_image(self, message: Image) -> None:
        self._detect(to_bgr(message), message.header)

    def _on_compressed(self, message: CompressedImage) -> None:
        image = cv2.imdecode(np.frombuffer(message.data, dtype=np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            self.get_logger().error("an image could not be decompressed", throttle_duration_sec=5.0)
            return
        self._detect(np.asarray(image, dtype=np.uint8), message.header)

    def _receive_stream(self, topic: str) -> None:
        """Decode every packet when it arrives. A second thread runs the network on the newest image."""
        self._decoder = H264Decoder()
        self._newest: LatestSlot[tuple[NDArray[np.uint8], Header]] = LatestSlot()
        self._decoded = self.create_publisher(Header, "image_raw/decoded", STREAM_ANSWERS)
        self._key_requests = self.create_publisher(Empty, "image_raw/key_request", STREAM_ANSWERS)
        self.create_subscription(CompressedImage, topic, self._on_packet, IMAGES_OVER_A_LINK)
        threading.Thread(target=self._detect_newest, daemon=True).start()

    def _on_packet(self, message: CompressedImage) -> None:
        try:
            image = self._decoder.decode(memoryview(message.data))
        except CodecError as problem:
            self.get_logger().warning(str(problem), throttle_duration_sec=5.0)
            self._key_requests.publish(Empty())
            return
        self._decoded.publish(message.header)
        self._newest.put((image, message.header))

    def _detect_newest(self) -> None:
        while (item := self._newest.take()) is not None:
            self._detect(*item)

    def _detect(self, image: NDArray[np.uint8], header: Header) -> None:
        model = self._engine.model
        with torch.inference_mode():
            with self._throttle.stage(self._preprocess_s):
                x, letterbox = model.preprocess(image)
            with self._throttle.stage(self._network_s):
                outputs = self._engine.partitioned.run_whole(x)
                found = model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45)
        self._detections.publish(from_detections(found, model.labels, header))

    def _least_preprocess_seconds(self) -> float:
        from testbed.camera import least_seconds

        image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        return least_seconds(lambda: self._engine.model.preprocess(image))


def main() -> int:
    """Run the detector until a signal stops it; returns the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    task = DetectorTask(**json.loads(sys.argv[1]))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Detector(task)
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
