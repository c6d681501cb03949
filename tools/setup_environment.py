# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Set up this checkout; started by tools/setup with a suitable interpreter. Standard library only."""

import sys

from neurosurgeon_setup.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
