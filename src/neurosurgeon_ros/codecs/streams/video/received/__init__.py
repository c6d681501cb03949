# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A camera's own video: decode its packets on robot and edge, and forward them as received."""
