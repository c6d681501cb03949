# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Set up this checkout. Started by tools/setup with a suitable interpreter; uses only the standard library."""

import sys

from neurosurgeon_setup.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
