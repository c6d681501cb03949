# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Entropy coding of the changes of a map that both ends hold."""
