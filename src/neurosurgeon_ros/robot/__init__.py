# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frame processing on the robot, from the slot to the single detections message."""
