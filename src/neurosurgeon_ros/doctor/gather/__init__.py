# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Gather the facts: from the ROS graph and its messages, from the network below it, and from this machine."""
