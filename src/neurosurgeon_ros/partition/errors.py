# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a network that is to be cut."""


class PartitionError(ValueError):
    """A network that cannot be cut, or tensors that do not belong to a partition point; the text is one sentence."""
