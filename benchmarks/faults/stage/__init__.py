# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The stage of a fault: robot, edge, link, camera and counter."""
