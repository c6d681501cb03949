# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The building blocks of every node: messages, QoS, parameters, lifecycle, peers."""
