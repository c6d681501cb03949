# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What every node is built from: messages, QoS, parameters, lifecycle, peers."""
