# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Compare this package with its alternatives over links of given rates; see docs/performance.md."""

from __future__ import annotations

import sys

from testbed.main import main

if __name__ == "__main__":
    sys.exit(main())
