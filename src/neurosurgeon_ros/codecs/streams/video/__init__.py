# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Video codecs: H.264, HEVC and AV1 through FFmpeg."""
