# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Delay environments (a network's partition points, a link, an edge and noise), experiments on them, and replay."""
