# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The steps of set-up, one per module: machine, packages, files, build. Uses only the standard library."""
