# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start an executable: check its requirements, report what is missing, then import the node and run it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from importlib import metadata

from neurosurgeon_ros.ros.process.installed import apt_package

# The modules that nodes import besides ROS messages: module, distribution, minimum version, how to install it.
_NEEDS = (
    ("numpy", "numpy", (1, 26), "apt install python3-numpy"),
    ("cv2", "opencv-python-headless", (4, 6), "apt install python3-opencv"),
    ("rclpy", "ros-rclpy", (0,), "source the set-up file of ROS 2, such as /opt/ros/jazzy/setup.bash"),
    ("cv_bridge", "cv-bridge", (0,), f"apt install {apt_package('cv_bridge')}"),
    ("vision_msgs", "vision-msgs", (0,), f"apt install {apt_package('vision_msgs')}, and build the workspace again"),
)

# Modules that are imported only where they are used: the import takes a large part of a second, and start-up should be
# short.
_NEEDS_LATER = (("scipy", "apt install python3-scipy"),)

_NEEDS_OF_NETWORKS = (
    ("torch", "torch", (2, 2), "pip install torch, in a virtual environment made with --system-site-packages"),
)

#: Nodes that run networks.
NETWORK_NODES = ("robot_node", "edge_node")


def missing(node: str) -> list[str]:
    """Return one sentence for each requirement of a node that is missing or too old on this machine."""
    problems = []
    for module, distribution, least, remedy in _NEEDS + (_NEEDS_OF_NETWORKS if node in NETWORK_NODES else ()):
        try:
            found = importlib.import_module(module)
        except ImportError as problem:
            problems.append(f"{module} cannot be imported ({problem}): {remedy}")
            continue
        version = _version(found, distribution)
        if version and version < least:
            wanted, given = ".".join(map(str, least)), ".".join(map(str, version))
            problems.append(f"{module} is {given}, at least {wanted} is needed: {remedy}")
    for module, remedy in _NEEDS_LATER if node in NETWORK_NODES else ():
        if not _is_there(module):
            problems.append(f"{module} cannot be imported (it is not installed): {remedy}")
    return problems


def start(node: str) -> int:
    """
    Check the machine, then run a node until it is told to stop.

    :param node: name of its module in this package, e.g. ``robot_node``.
    :returns: exit code of the process.
    """
    # Threads that busy-wait slow a network down several times as soon as another process needs the cores. OpenMP reads
    # this variable when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    problems = missing(node)
    if problems:
        for problem in problems:
            print(f"{node}: {problem}", file=sys.stderr)
        return 1
    code: int = importlib.import_module(f"neurosurgeon_ros.nodes.{node}").main()
    return code


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # Python raises this for a module that was blocked
        return False


def _version(module: object, distribution: str) -> tuple[int, ...]:
    text = getattr(module, "__version__", None)
    if text is None:
        try:
            text = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            return ()
    parts = []
    for part in str(text).split("+")[0].split("."):
        if not part.isdigit():
            break
        parts.append(int(part))
    return tuple(parts)
