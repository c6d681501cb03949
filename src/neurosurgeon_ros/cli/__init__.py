# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The `neurosurgeon` command."""

from neurosurgeon_ros.cli.main import main

__all__ = ["main"]
