# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure each step of a frame in isolation; see docs/performance.md."""

from __future__ import annotations

import sys

from testbed.micro import main

if __name__ == "__main__":
    sys.exit(main())
