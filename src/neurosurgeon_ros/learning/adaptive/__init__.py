# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The default policy in three parts: its beliefs about delays, its choice of an arm, and its exploration."""
