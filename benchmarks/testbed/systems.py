# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What is compared: this package under its policies, and what one would do without it."""

from __future__ import annotations

from dataclasses import dataclass

from neurosurgeon_ros.learning import DEFAULT_POLICY

#: The names that the report uses.
OURS = "default"
JPEG_80 = "jpeg_80"


@dataclass(frozen=True, slots=True)
class System:
    """
    One way to get detections for camera images.

    :param name: in the report.
    :param policy: of this package; empty: an alternative to it.
    :param min_fidelity: least agreement that this package's arms must have; None: its default.
    :param codecs: this package's; none: its default.
    :param max_in_flight: this package's frames that may be on their way at once.
    :param on_robot: the alternative's detector runs on the robot.
    :param jpeg_quality: the alternative's images travel as JPEG of this quality; 0: raw.
    :param listed: one of the alternatives that the default policy is held against.
    :param judged: agrees well enough by what was found before the runs.
    :param in_words: what it is, for the report.
    """

    name: str
    policy: str = ""
    min_fidelity: float | None = None
    codecs: tuple[str, ...] = ()
    max_in_flight: int = 1
    on_robot: bool = False
    jpeg_quality: int = 0
    listed: bool = False
    judged: bool = False
    in_words: str = ""

    @property
    def is_package(self) -> bool:
        """Whether it is this package."""
        return bool(self.policy)

    @property
    def sends_images(self) -> bool:
        """Whether whole images, raw or as JPEG, go over the link as ROS messages."""
        return not self.is_package and not self.on_robot


def systems(lowest_quality: int) -> tuple[System, ...]:
    """
    Return everything that is compared.

    :param lowest_quality: the lowest JPEG quality that agrees well enough; 80 or above: none below 80.
    """
    everything = [
        System(OURS, DEFAULT_POLICY, in_words=f"this package, default policy `{DEFAULT_POLICY}`"),
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
    return tuple(everything)


def in_flight(frames: int) -> System:
    """Return this package with its default policy and so many frames on their way at once."""
    return System(f"in_flight_{frames}", DEFAULT_POLICY, max_in_flight=frames)


def at_fidelity(fidelity: float) -> System:
    """
    Return this package with its default policy, allowed to agree as little as an alternative does.

    :param fidelity: the alternative's, in [0, 1]; to two digits, rounded down.
    """
    rounded = max(0.0, int(fidelity * 100) / 100)
    words = f"this package, default policy, `min_fidelity` {rounded:.2f}"
    return System(f"default_f{rounded:.2f}", DEFAULT_POLICY, min_fidelity=rounded, in_words=words)
