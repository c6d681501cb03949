# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon record``: a robot's detections, decisions and diagnostics in an MCAP file."""

from __future__ import annotations

import argparse
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "record",
        help="record detections, decisions and diagnostics, and images if asked for, into an MCAP file",
        description="Record until Ctrl-C what a robot publishes. `ros2 bag play`, Foxglove and `neurosurgeon report` "
        "read the file.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "file", type=Path, metavar="FILE", help="the file to write, such as run.mcap; never overwritten"
    )
    parser.add_argument(
        "--robot", default="/robot_node", metavar="NAME", help="fully qualified name of the robot's node (%(default)s)"
    )
    parser.add_argument(
        "--images",
        choices=("raw", "compressed"),
        help="record the camera too: sensor_msgs/Image, or sensor_msgs/CompressedImage (no images)",
    )
    parser.add_argument(
        "--image-topic", default="image_raw", metavar="TOPIC", help="of the camera, without /compressed (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """
    Record until told to stop.

    :return: exit code.
    :raises UsageError: if the file is there already or its folder is not, or a name is no good.
    """
    from neurosurgeon_ros.nodes.recorder import RecorderOptions, record

    if args.file.exists():
        raise UsageError(f"{args.file} is there already: give another name, or remove it")
    if not args.file.parent.is_dir():
        raise UsageError(f"{args.file.parent} is not a folder: make it first, or give another")
    if not args.robot.startswith("/") or args.robot.endswith("/"):
        raise UsageError(f"--robot: {args.robot!r} is not a fully qualified node name such as /robot_node")
    namespace = args.robot.rpartition("/")[0] or "/"
    return record(
        RecorderOptions(
            path=args.file,
            robot=args.robot,
            namespace=namespace,
            image_topic=args.image_topic,
            images=args.images or "",
        )
    )
