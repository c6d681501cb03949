# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Find out why a robot and its edge do not work together, or are slow.

`gather/` looks at the ROS graph, the network and this machine, and returns :class:`.facts.Facts`. `checks/` judges the
facts and knows nothing of how they were gathered.
"""
