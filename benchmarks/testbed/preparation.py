# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Preparation of all runs: the camera's images, the detections of the whole network, and the systems to run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.camera.video_source import named_video
from neurosurgeon_ros.inference.engine import Engine
from testbed import machine
from testbed.accuracy import LEAST_F1, Judgement, Reference, fidelity_with_jpeg, judge
from testbed.camera import read_video
from testbed.network import LoopbackNetwork, NamespaceNetwork
from testbed.own_calibration import own_calibration
from testbed.run import RunProblem, Setting
from testbed.systems import H264_STREAM, JPEG_80, System, at_fidelity, systems

#: Name that stands for the alternative with the lowest JPEG quality that agrees well enough.
JPEG_LOWEST = "jpeg_lowest"


@dataclass(frozen=True, slots=True, eq=False)
class Preparation:
    """
    What all runs need.

    :param images: the camera's images, BGR, until they repeat.
    :param reference: detections of the whole network in these images.
    :param judgement: effect of JPEG and H.264 on these detections.
    :param everything: all systems that can run.
    """

    setting: Setting
    engine: Engine
    images: Sequence[NDArray[np.uint8]]
    reference: Reference
    judgement: Judgement
    everything: tuple[System, ...]

    def about(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Return the machine and the settings, for a summary."""
        height, width = self.images[0].shape[:2]
        return {
            "machine": machine.in_words(),
            "link": self.setting.network.in_words,
            "model": self.setting.model,
            "robot_speed": self.setting.robot_speed,
            "camera_hz": arguments.camera_hz,
            "video": arguments.video,
            "image": [int(width), int(height)],
            "rounds": arguments.rounds,
            "warm_up_frames": arguments.warm_up,
            "jpeg_f1": {"80": round(self.judgement.f1_80, 4), "lowest_quality": self.judgement.lowest_quality},
            "h264": [asdict(one) for one in self.judgement.streams],
        }


def prepare(arguments: argparse.Namespace, network: NamespaceNetwork | LoopbackNetwork) -> Preparation:
    """Read the video, and run the whole network on its images, or read its detections from an earlier run."""
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    video = Path(named_video(arguments.video))
    cores = machine.share_out(machine.usable_cores())
    say(f"{machine.in_words()}; {network.in_words}")
    images = read_video(str(video), rate_hz=arguments.camera_hz)
    say(f"{len(images)} images of {video.name} at {arguments.camera_hz:g} Hz; running the whole network on them")
    engine = Engine.load(arguments.model)
    reference, judgement = judge(engine, images, out / f"judgement-{arguments.video}.json")
    f1_80, quality = judgement.f1_80, judgement.lowest_quality
    say(f"F1 of jpeg 80: {f1_80:.3f}; lowest quality with F1 ≥ {LEAST_F1}: {quality}")
    for one in judgement.streams:
        say(f"H.264 {one.preset} crf {one.crf}: F1 {one.f1:.3f}, {one.mean_bytes / 1e3:.1f} kB; {one.in_words}")
    calibration = own_calibration(
        engine,
        images,
        rate_hz=arguments.camera_hz,
        described=f"{video.name} at {arguments.camera_hz:g} Hz",
        folder=out / f"calibration-{arguments.video}",
        say=say,
    )
    setting = Setting(network, cores, video, arguments.model, arguments.robot_speed, out, calibration)
    everything = list(systems(quality, judgement.streams))
    if f1_80 < LEAST_F1:
        everything.append(at_fidelity(fidelity_with_jpeg(calibration, 80) or f1_80))
    return Preparation(setting, engine, images, reference, judgement, tuple(everything))


def choose(everything: Sequence[System], names: str) -> list[System]:
    """
    Return the systems with the given names, in the order of `everything`.

    :param names: separated by commas; empty for all. :data:`JPEG_LOWEST` and `h264_stream` stand for the alternatives
        with the qualities that were found.
    :raises RunProblem: if a name is unknown.
    """
    if not names:
        return list(everything)
    wanted = names.split(",")
    known = [system.name for system in everything] + [JPEG_LOWEST, H264_STREAM]
    for name in wanted:
        if name not in known:
            raise RunProblem(f"--systems: {name!r} is not known: choose among {', '.join(known)}")
    lowest, streams = JPEG_LOWEST in wanted, H264_STREAM in wanted
    return [
        system
        for system in everything
        if system.name in wanted
        or (lowest and system.jpeg_quality and system.name != JPEG_80)
        or (streams and system.h264)
    ]


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)
