# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What robot and edge say to each other, without ROS: keys, requests, feedback, identities, limits."""
