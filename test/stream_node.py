#!/usr/bin/env python3
# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Start a node that knows the test's codec with memory: `stream_node.py NODE --ros-args ...`."""

import signal
import sys

signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))

from stream_codec import NAME, Difference  # noqa: E402

from neurosurgeon_ros import codecs  # noqa: E402
from neurosurgeon_ros.nodes.start import start  # noqa: E402

# The parameters' choices are read when the node is imported.
codecs._STREAMS[NAME] = Difference()
codecs.STREAM_CODECS = tuple(codecs._STREAMS)

node = sys.argv.pop(1)
sys.exit(start(node))
