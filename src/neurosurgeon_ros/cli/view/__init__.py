# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A local page that shows a run while it is in progress: the annotated video, and each frame's delay by stage."""
