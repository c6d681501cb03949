# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Share one neural network between a robot and an edge computer, frame by frame, over ROS 2."""
