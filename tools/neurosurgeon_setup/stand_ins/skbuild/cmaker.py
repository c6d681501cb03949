# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What OpenCV's setup.py asks about Python before it gives its metadata."""

from __future__ import annotations


class CMaker:
    """Answers that only building would use."""

    @staticmethod
    def get_python_version() -> str:
        """Return nothing."""
        return ""

    @staticmethod
    def get_python_library(version: str) -> str:
        """Return nothing."""
        return ""

    @staticmethod
    def get_python_include_dir(version: str) -> str:
        """Return nothing."""
        return ""
