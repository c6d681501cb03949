# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Several edges: one route to each, looks at those that are not in use, and the choice among them."""
