# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure every kind of codec on the shipped videos, and write docs/codecs.md from it: see there."""

from __future__ import annotations

import sys

from codec_rows.main import main

if __name__ == "__main__":
    sys.exit(main())
