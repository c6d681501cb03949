# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Information for users: health, monitored messages, markers, drawn boxes."""
