# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Simulator: environments with the delays of a network, a link and an edge; experiments; replay of real runs."""
