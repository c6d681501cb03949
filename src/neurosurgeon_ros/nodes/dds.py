# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile that the nodes run with, applied before rclpy starts."""

from __future__ import annotations

import os
from pathlib import Path

#: Where Fast DDS looks for a profile; whoever sets it keeps their own.
PROFILES_FILE = "FASTRTPS_DEFAULT_PROFILES_FILE"


def apply_profile() -> None:
    """
    Let Fast DDS load the shipped profile, config/fastdds.xml, unless the user named one.

    Other RMW implementations do not read it.
    """
    if os.environ.get(PROFILES_FILE) or os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE"):
        return
    from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

    try:
        profile = Path(get_package_share_directory("neurosurgeon_ros")) / "config" / "fastdds.xml"
    except PackageNotFoundError:
        return
    if profile.is_file():
        os.environ[PROFILES_FILE] = str(profile)
