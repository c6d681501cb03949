# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Injects faults into a running robot, edge, link and camera, and accounts for every frame."""
