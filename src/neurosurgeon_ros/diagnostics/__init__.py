# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What people look at: health, what a monitor has seen, markers, drawn boxes."""
