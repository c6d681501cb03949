# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The default policy in three parts: what is believed, what is chosen, what is explored."""
