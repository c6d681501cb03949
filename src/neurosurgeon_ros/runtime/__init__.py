# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a robot does with a frame and what an edge does with a request; nothing of ROS is in it."""
