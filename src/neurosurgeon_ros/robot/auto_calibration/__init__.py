# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot that calibrates its own network in idle time, from the frames that its camera sends."""
