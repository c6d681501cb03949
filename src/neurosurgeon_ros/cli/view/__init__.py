# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A local page that shows a run while it goes on: the annotated video, and where each frame's delay goes."""
