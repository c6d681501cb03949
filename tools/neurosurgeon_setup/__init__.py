# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The steps of set-up, one module each: machine, packages, files, build. Standard library only."""
