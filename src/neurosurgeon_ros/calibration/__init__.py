# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of arms: which arms are available, how well each agrees with the whole network, and how long it takes."""
