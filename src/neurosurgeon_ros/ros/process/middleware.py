# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Tell which RMW implementation this process uses, for the few parts of this package that depend on it.

Everything else uses only what every RMW implementation offers: the graph, messages and their quality of service.
"""

from __future__ import annotations

import os

#: Environment variable in which ROS 2 looks for the name of the RMW implementation.
VARIABLE = "RMW_IMPLEMENTATION"

#: The implementation that ROS 2 uses when the variable is not set, in every distribution that this package supports.
DEFAULT = "rmw_fastrtps_cpp"

_FAST_DDS, _ZENOH = "rmw_fastrtps", "rmw_zenoh"


def rmw_name() -> str:
    """Return the name of this process's RMW implementation, such as rmw_cyclonedds_cpp, also before rclpy starts."""
    return os.environ.get(VARIABLE) or DEFAULT


def is_fast_dds(name: str = "") -> bool:
    """
    Return whether an RMW implementation is Fast DDS, with its profile and its files in /dev/shm.

    :param name: its name; by default that of this process.
    """
    return (name or rmw_name()).startswith(_FAST_DDS)


def is_zenoh(name: str = "") -> bool:
    """Return the same for Zenoh."""
    return (name or rmw_name()).startswith(_ZENOH)


def what_is_skipped() -> str:
    """Return one sentence for the log about what this package does for Fast DDS alone; empty with Fast DDS."""
    if is_fast_dds():
        return ""
    return (
        f"{rmw_name()} runs with its own settings, as the profile config/fastdds.xml is for Fast DDS: see "
        "docs/two-machines.md for what it needs"
    )
