# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Options of the demo."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError, number, whole_number

#: Port of the page of `--view`.
VIEW_PORT = 5006


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """
    Options of a demo run.

    :param video: path of a file or of a folder with pictures, or the index of a camera in digits.
    :param rate_hz: frame rate of the camera; 0: the video's own.
    :param codecs: empty: the robot's default.
    :param uplink_mbps: rate of the emulated link; None: no emulation.
    :param weights: None: those in the cache folder.
    :param labels: a file with the names of the classes; None: those of the network.
    :param random_weights: use random weights instead of a file.
    :param image_transport: transport of the camera's images: raw or compressed.
    :param view_port: port of the page that shows the run, 0 for any free port; None: no page.
    """

    video: str
    frames: int
    rate_hz: float
    policy: str
    out: Path
    robot_speed: float
    codecs: tuple[str, ...]
    uplink_mbps: float | None
    model: str
    weights: Path | None
    seed: int
    labels: Path | None = None
    random_weights: bool = False
    image_transport: str = "raw"
    view_port: int | None = None

    @property
    def link(self) -> str:
        """Return a description of the link, as in the summary."""
        return "loopback" if self.uplink_mbps is None else f"emulated {self.uplink_mbps:g} Mbit/s"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the demo's options to its parser."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--video",
        metavar="FILE|INDEX|NAME",
        help="video file, played in a loop, index of a camera, or a shipped video: street, from a moving camera, "
        "or fixed (default: street)",
    )
    source.add_argument(
        "--images",
        type=Path,
        metavar="FOLDER",
        help="pictures to show in place of a video, in the order of their names, in a loop (5 Hz without --rate)",
    )
    parser.add_argument(
        "--frames",
        type=whole_number(1, 10**9),
        default=300,
        metavar="N",
        help="end after N accepted frames (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=number(0.1, 1000.0, "Hz"),
        metavar="HZ",
        help="the camera's frames per second (default: the video's own)",
    )
    parser.add_argument(
        "--policy", metavar="NAME", help="policy that chooses each frame's arm (default: adaptive_mu_lin_ucb)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/demo"),
        metavar="DIR",
        help="folder for the results (default: %(default)s)",
    )
    parser.add_argument(
        "--robot-speed",
        type=number(0.01, 1.0),
        default=0.2,
        metavar="FRACTION",
        help="emulate a robot with this fraction of one core's speed; 1: no emulation (default: %(default)s)",
    )
    parser.add_argument(
        "--codecs",
        metavar="LIST",
        help="codecs that may encode tensors, separated by commas (default: all with sufficient agreement)",
    )
    parser.add_argument(
        "--uplink",
        type=number(0.001, 1e5, "Mbit/s"),
        metavar="MBIT/S",
        help="emulate a link with this rate (default: none)",
    )
    parser.add_argument(
        "--model",
        default="yolov3_tiny",
        metavar="NAME",
        help="the network: a shipped one, package.module:factory, or a .pt2, .onnx or .torchscript file (default: "
        "%(default)s)",
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", type=Path, metavar="FILE", help="weights file (default: the one from set-up)")
    weights.add_argument("--random-weights", action="store_true", help="use random weights, if only delays matter")
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="names of the classes, see partitions (default: the network's own)"
    )
    parser.add_argument(
        "--image-transport",
        choices=("raw", "compressed"),
        default="raw",
        help="transport of the camera's images to the robot, named as in image_transport (default: %(default)s)",
    )
    parser.add_argument("--view", action="store_true", help="show the run on a page for a browser on this computer")
    parser.add_argument(
        "--view-port",
        type=whole_number(0, 65535),
        metavar="PORT",
        help=f"port of that page; 0: any free port (default: {VIEW_PORT})",
    )
    parser.add_argument(
        "--seed", type=whole_number(0, 2**31 - 1), default=0, metavar="N", help="random seed (default: %(default)s)"
    )


def read_options(args: argparse.Namespace) -> DemoOptions:
    """
    Check the options that the parser could not check, and return them.

    :raises UsageError: if a name is unknown, or a file is missing or is not a video.
    """
    # These import torch, so import them only when the command runs.
    from neurosurgeon_ros.calibration.admission import AUTO
    from neurosurgeon_ros.codecs import CODECS, STREAM_CODECS
    from neurosurgeon_ros.learning import DEFAULT_POLICY, POLICIES
    from neurosurgeon_ros.models import MODELS, OWN_MODEL

    own_model = re.fullmatch(OWN_MODEL[0], args.model)
    codecs = () if args.codecs is None else tuple(name.strip() for name in args.codecs.split(","))
    for option, names, choices in (
        ("--policy", (args.policy or DEFAULT_POLICY,), POLICIES),
        ("--model", () if own_model else (args.model,), MODELS),
        ("--codecs", codecs, (AUTO, *CODECS, *STREAM_CODECS)),
    ):
        _check_names(option, names, choices)
    if args.weights is not None and not args.weights.is_file():
        raise UsageError(f"--weights: {args.weights} is not a file: give a weights file, or leave it out")
    if args.labels is not None and not args.labels.is_file():
        raise UsageError(f"--labels: {args.labels} is not a file: give a file with names of classes, or leave it out")
    if args.view_port is not None and not args.view:
        raise UsageError("--view-port is the port of a page that is not asked for: give --view, too")
    return DemoOptions(
        video=_video(args.video) if args.images is None else _pictures(args.images),
        frames=args.frames,
        rate_hz=args.rate or 0.0,
        policy=args.policy or DEFAULT_POLICY,
        out=args.out,
        robot_speed=args.robot_speed,
        codecs=codecs,
        uplink_mbps=args.uplink,
        model=_absolute(args.model),
        weights=args.weights.absolute() if args.weights else None,
        seed=args.seed,
        labels=args.labels.absolute() if args.labels else None,
        random_weights=args.random_weights,
        image_transport=args.image_transport,
        view_port=(VIEW_PORT if args.view_port is None else args.view_port) if args.view else None,
    )


def _check_names(option: str, names: Sequence[str], choices: Sequence[str]) -> None:
    for name in names:
        if name not in choices:
            raise UsageError(
                f"{option}: {name!r} is not known: choose {'among' if option == '--codecs' else 'one of'} "
                f"{', '.join(choices)}"
            )


def _video(given: str | None) -> str:
    """Find the video, and check that it can be played."""
    from neurosurgeon_ros.camera.video_source import DEFAULT_VIDEO, VideoProblem, VideoSource, named_video

    try:
        video = named_video(DEFAULT_VIDEO if given is None else given)
    except VideoProblem as problem:
        raise UsageError(f"{problem}; or give another video with --video") from None
    try:
        with VideoSource(video) as source:
            return video if source.is_camera else str(Path(video).absolute())
    except VideoProblem as problem:
        raise UsageError(f"--video: {problem}") from None


def _pictures(folder: Path) -> str:
    """Check that there are pictures in a folder."""
    from neurosurgeon_ros.camera.video_source import VideoProblem, VideoSource

    if not folder.is_dir():
        raise UsageError(f"--images: {folder} is not a folder: give a folder with pictures, or a video with --video")
    try:
        VideoSource(str(folder)).close()
    except VideoProblem as problem:
        raise UsageError(f"--images: {problem}") from None
    return str(folder.absolute())


def _absolute(model: str) -> str:
    """Make the path of a file absolute, with or without size and post-processing, for other processes."""
    return re.sub(r"^.+\.(pt2|onnx|torchscript|pth|pt)(?=[:@]|$)", lambda match: str(Path(match[0]).absolute()), model)
