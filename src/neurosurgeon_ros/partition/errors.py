# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Errors of partitioning a network."""


class PartitionError(ValueError):
    """Raised if a network cannot be cut, or if tensors do not match a partition point; the message is one sentence."""


def first_line(error: Exception) -> str:
    """Return the first line of an error from a user's network or torch, for use within a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
