# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon record``: record robots' detections, decisions and diagnostics in an MCAP file."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "record",
        help="record detections, decisions, diagnostics and optionally images into an MCAP file",
        description="Record the messages that robots publish, until Ctrl-C. `ros2 bag play`, Foxglove and "
        "`neurosurgeon report` can read the file.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="file to write, such as run.mcap; an existing file is never overwritten"
    )
    parser.add_argument(
        "--robot",
        action="append",
        metavar="NAME",
        help="fully qualified name of the robot's node; repeat for more robots (default: /robot_node)",
    )
    parser.add_argument(
        "--images",
        choices=("raw", "compressed"),
        help="also record the camera, as sensor_msgs/Image or sensor_msgs/CompressedImage (default: no images)",
    )
    parser.add_argument(
        "--image-topic",
        default="image_raw",
        metavar="TOPIC",
        help="image topic of each camera, without /compressed (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """
    Record until the user stops it.

    :returns: exit code.
    :raises UsageError: if the file already exists, its folder does not exist, or a name is not valid.
    """
    from neurosurgeon_ros.recording.recorder import RecorderOptions, record

    if args.file.exists():
        raise UsageError(f"{args.file} is there already: give another name, or remove it")
    if not args.file.parent.is_dir():
        raise UsageError(f"{args.file.parent} is not a folder: make it first, or give another")
    robots = tuple(args.robot or ("/robot_node",))
    for robot in robots:
        if not robot.startswith("/") or robot.endswith("/"):
            raise UsageError(f"--robot: {robot!r} is not a fully qualified node name such as /robot_node")
    return record(
        RecorderOptions(path=args.file, robots=robots, image_topic=args.image_topic, images=args.images or "")
    )
