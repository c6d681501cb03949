# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""rclpy around the runtime: parameters, topics, quality of service, lifecycle, diagnostics."""
