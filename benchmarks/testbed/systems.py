# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The systems that are compared: this package with several policies, and its alternatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurosurgeon_ros.codecs import CODECS
from neurosurgeon_ros.learning import DEFAULT_POLICY
from testbed.accuracy import LEAST_F1
from testbed.h264_stream import KEY_DISTANCE
from testbed.stream_accuracy import FittedStream

#: Names of systems that figures are about.
OURS = "default"
WITHOUT_MEMORY = "default_without_memory"
JPEG_80 = "jpeg_80"

#: Prefix of this package with a lower `min_fidelity`.
AT_FIDELITY = "default_f"

#: Prefix of the systems that send an H.264 stream.
H264_STREAM = "h264_stream"


@dataclass(frozen=True, slots=True)
class System:
    """
    A system that produces detections for camera images.

    :param name: name in the report.
    :param policy: policy of this package; empty for an alternative.
    :param min_fidelity: this package's parameter; None for its default.
    :param codecs: this package's parameter; empty for its default.
    :param max_in_flight: this package's parameter.
    :param on_robot: whether the alternative's detector runs on the robot.
    :param jpeg_quality: JPEG quality of the alternative's images; 0 for raw images.
    :param h264: preset and crf of the alternative's stream; None for images without memory.
    :param listed: whether the default policy is compared with it.
    :param judged: whether it agreed well enough before the runs.
    :param in_words: description for the report.
    """

    name: str
    policy: str = ""
    min_fidelity: float | None = None
    codecs: tuple[str, ...] = ()
    max_in_flight: int = 1
    on_robot: bool = False
    jpeg_quality: int = 0
    h264: tuple[str, int] | None = None
    listed: bool = False
    judged: bool = False
    in_words: str = ""

    @property
    def is_package(self) -> bool:
        """Return whether it is this package."""
        return bool(self.policy)

    @property
    def sends_images(self) -> bool:
        """Return whether it sends whole images over the link as ROS messages."""
        return not self.is_package and not self.on_robot

    @property
    def images(self) -> str:
        """Return how it sends images: `raw`, `jpeg` or `h264`."""
        return "h264" if self.h264 else "jpeg" if self.jpeg_quality else "raw"


def systems(lowest_quality: int, streams: Sequence[FittedStream] = ()) -> tuple[System, ...]:
    """
    Return all systems.

    :param lowest_quality: lowest JPEG quality that agrees well enough.
    :param streams: qualities of H.264 to run.
    """
    everything = [
        System(OURS, DEFAULT_POLICY, in_words=f"this package, default policy `{DEFAULT_POLICY}`"),
        System(WITHOUT_MEMORY, DEFAULT_POLICY, codecs=CODECS, in_words="the same, codecs without memory alone"),
        System("edge_only", "edge_only", in_words="this package, policy `edge_only`"),
        System("on_device", "on_device", in_words="this package, policy `on_device`"),
        System("neurosurgeon", "neurosurgeon", listed=True, in_words="this package, offline-profiled `neurosurgeon`"),
        System("mu_lin_ucb", "mu_lin_ucb", listed=True, in_words="this package, the paper's `mu_lin_ucb`"),
        System("raw_image", listed=True, in_words="sensor_msgs/Image to a detector on the edge"),
        System(JPEG_80, jpeg_quality=80, listed=True, in_words="CompressedImage, jpeg 80, to a detector on the edge"),
        System("detector_on_robot", on_robot=True, listed=True, in_words="a detector on the robot"),
    ]
    if lowest_quality != 80:
        name = f"jpeg_{lowest_quality}"
        words = f"the same with jpeg {lowest_quality}, the lowest quality with F1 ≥ 0.95"
        everything.append(System(name, jpeg_quality=lowest_quality, listed=True, judged=True, in_words=words))
    return (*everything, *(_stream(one) for one in streams))


def _stream(fitted: FittedStream) -> System:
    words = (
        f"an H.264 stream of the camera's images to a detector on the edge: x264 `{fitted.preset}`, crf {fitted.crf}, "
        f"a key every {KEY_DISTANCE} images, {fitted.in_words}"
    )
    return System(
        f"{H264_STREAM}_{fitted.preset}_crf{fitted.crf}",
        h264=(fitted.preset, fitted.crf),
        listed=True,
        judged=fitted.f1 >= LEAST_F1,
        in_words=words,
    )


def in_flight(frames: int) -> System:
    """Return this package with its default policy and several frames in flight."""
    return System(f"in_flight_{frames}", DEFAULT_POLICY, max_in_flight=frames)


def at_fidelity(fidelity: float) -> System:
    """
    Return this package with its default policy and a lower `min_fidelity`, to compare it with an alternative.

    :param fidelity: agreement of the alternative, in [0, 1]; rounded down to two digits.
    """
    rounded = max(0.0, int(fidelity * 100) / 100)
    words = f"this package, default policy, `min_fidelity` {rounded:.2f}"
    return System(f"{AT_FIDELITY}{rounded:.2f}", DEFAULT_POLICY, min_fidelity=rounded, in_words=words)
