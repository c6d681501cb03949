# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms with codecs: their tables, how these are measured, and environments made from them or from a real run."""
