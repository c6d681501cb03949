# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Start a node as if it ran with another RMW implementation, which is not installed here.

`python other_rmw.py NODE RMW …` sets RMW_IMPLEMENTATION for everything in this package. Only while rcl starts, which
compares the name with the library that it has loaded, the variable is not set. The messages travel by Fast DDS.
"""

from __future__ import annotations

import os
import sys

from neurosurgeon_ros.nodes.start import start
from neurosurgeon_ros.ros.process import process
from neurosurgeon_ros.ros.process.middleware import VARIABLE


def main() -> int:
    """Run the node of the command line; returns its exit code."""
    node, name = sys.argv[1:3]
    del sys.argv[1:3]
    os.environ[VARIABLE] = name
    init = process._init

    def init_by_default(args: list[str] | None) -> None:
        del os.environ[VARIABLE]
        init(args)
        os.environ[VARIABLE] = name

    process._init = init_by_default
    return start(node)


if __name__ == "__main__":
    sys.exit(main())
