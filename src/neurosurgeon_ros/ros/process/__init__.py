# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Run a node as a process: DDS profile, shared memory, start, restart, shutdown."""
