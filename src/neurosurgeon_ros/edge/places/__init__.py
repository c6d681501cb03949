# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Places where an edge runs its back-ends: in its own process, in a pool of processes, or on a Ray cluster."""
