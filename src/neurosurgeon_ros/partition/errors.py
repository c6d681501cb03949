# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong with a network that is to be cut."""


class PartitionError(ValueError):
    """A network that cannot be cut, or tensors that do not belong to a partition point; the text is one sentence."""


def first_line(error: Exception) -> str:
    """Return what fits into a sentence of an error that a user's network or torch has raised."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
