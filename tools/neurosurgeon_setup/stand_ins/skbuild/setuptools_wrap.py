# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The function that OpenCV's setup.py replaces, for building."""

_classify_installed_files = None
