# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot's ends of streams: encoders of codecs with memory, and when a frame has to be a key."""
