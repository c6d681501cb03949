# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which arms there are, how well each agrees with the whole network, and what each takes."""
