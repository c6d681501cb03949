# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Images from ROS topics and videos: encodings, compressed images, publishers, losses."""
