# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Bandits from the literature for links that change, to compare the default policy with."""
