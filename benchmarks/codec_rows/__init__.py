# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of codecs: agreement, bytes and times of arms on consecutive frames of a video."""
