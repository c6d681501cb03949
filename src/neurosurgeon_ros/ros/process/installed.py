# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The distribution of ROS 2 that is sourced, and the names of its packages."""

from __future__ import annotations

import os

#: The distribution that is meant where none is sourced.
DEFAULT = "jazzy"


def apt_package(name: str) -> str:
    """
    Return the name of a ROS 2 package in Ubuntu, for the distribution in ROS_DISTRO, which every set-up file sets.

    :param name: name of the ROS 2 package, e.g. ``cv_bridge``.
    """
    return f"ros-{os.environ.get('ROS_DISTRO') or DEFAULT}-{name.replace('_', '-')}"
