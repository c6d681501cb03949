# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Options of the testbed's command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from neurosurgeon_ros.camera.video_source import DEFAULT_VIDEO, SHIPPED_VIDEOS
from testbed.scenario import WARM_UP_FRAMES

_ABOUT = (
    "Compare this package with its alternatives over links of constant and changing rates, or, with --link-trace, over "
    "recorded links. See docs/performance.md."
)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.check and not arguments.link_trace:
        parser.error("--check needs a recorded link: give --link-trace FILE")
    if arguments.link_trace and arguments.link == "emulated":
        parser.error("--link-trace needs network namespaces: leave --link emulated out")
    if arguments.quick:
        arguments.rounds, arguments.frames, arguments.turn = 1, 24, 3.0
        arguments.rates, arguments.in_flight, arguments.link_seconds = "16", "", min(arguments.link_seconds, 10.0)
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.link_trace else 4
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=_ABOUT, allow_abbrev=False)
    add = parser.add_argument
    add("--rates", default="1,4,16,50,changing", metavar="LIST", help="links: Mbit/s, or `changing` (%(default)s)")
    add(
        "--link-trace",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="run on a recorded link instead: a CSV with a column mbps and a row for each 100 ms, or a trace of "
        "mahimahi; may be repeated; needs root",
    )
    add("--link-seconds", type=_seconds, default=120.0, metavar="S", help="seconds of each recorded link (%(default)s)")
    add("--check", action="store_true", help="only check the replay of recorded links with a sender that fills them")
    add(
        "--systems",
        default="",
        metavar="LIST",
        help="systems to run; jpeg_lowest and h264_stream are those of the qualities that were found (all; on "
        "recorded links default, mu_lin_ucb, jpeg_80, jpeg_lowest and detector_on_robot)",
    )
    add("--rounds", type=int, metavar="N", help="runs of each system on each link (4; 1 on recorded links)")
    add("--changing-rounds", type=int, default=1, metavar="N", help="the same on the changing link (%(default)s)")
    add("--frames", type=int, default=16, metavar="N", help="counted frames of a run (%(default)s)")
    add("--warm-up", type=int, default=WARM_UP_FRAMES, metavar="N", help="frames before these (%(default)s)")
    add("--turn", type=float, default=10.0, metavar="S", help="seconds of a turn of the changing link (%(default)s)")
    add("--camera-hz", type=float, default=4.0, metavar="HZ", help="rate of the camera (%(default)s)")
    add(
        "--robot-speed",
        type=float,
        default=0.2,
        metavar="FRACTION",
        help="speed of the emulated robot, as a fraction of one core (%(default)s)",
    )
    add(
        "--in-flight",
        default="1,2,3",
        metavar="LIST",
        help="values of max_in_flight for which frames per second are measured (%(default)s)",
    )
    add(
        "--video",
        choices=tuple(SHIPPED_VIDEOS),
        default=DEFAULT_VIDEO,
        help="shipped video that the camera plays (%(default)s)",
    )
    add("--model", default="yolov3_tiny", help="network (%(default)s)")
    add(
        "--link",
        choices=("auto", "namespaces", "emulated"),
        default="auto",
        help="kind of link: network namespaces, which need root, or emulated (%(default)s)",
    )
    add("--out", type=Path, default=Path("out/bench"), metavar="DIR", help="output folder (%(default)s)")
    add("--quick", action="store_true", help="one short round, to try the testbed itself")
    add("--docs", action="store_true", help="only write docs/performance.md from the files in DIR")
    add("--clean", action="store_true", help="only remove what killed runs have left")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 1.0 <= value <= 86_400.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and 86400: give a number of seconds")
    return value
