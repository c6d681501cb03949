# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The testbed: compares this package with its alternatives on the same images over the same link."""
