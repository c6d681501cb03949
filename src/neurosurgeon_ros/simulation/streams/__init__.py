# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms whose codec has memory: their bytes, their state in a run, and the best plan for a whole run."""
