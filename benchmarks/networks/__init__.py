# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Cut and verify networks that people use, with random weights, and write the table in docs/your-own-network.md."""
