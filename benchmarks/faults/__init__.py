# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults put into a running robot, edge, link and camera, and what comes of each frame meanwhile."""
