# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms with codecs: codec tables, their measurement, and environments made from them or from a real run."""
