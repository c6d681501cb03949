# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of a network while a robot uses it, from the frames that the robot sees; independent of ROS."""
