# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A node as a process: DDS profile, shared memory, start, restart, end."""
