# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Protocol between robot and edge, independent of ROS: keys, requests, feedback, identities, limits."""
