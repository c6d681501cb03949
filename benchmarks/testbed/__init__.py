# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The testbed: this package beside what people would use instead, on the same frames over the same link."""
