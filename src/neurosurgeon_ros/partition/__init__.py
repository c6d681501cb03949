# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The partition engine: a torch network as a list of partition points, with front-end and back-end at each.

Any :class:`torch.nn.Module` goes in, with an example of its input; :func:`partition` says where it can be cut, and the
:class:`PartitionedNetwork` that it returns runs either part.
"""

from neurosurgeon_ros.partition.errors import PartitionError
from neurosurgeon_ros.partition.network import PartitionedNetwork, partition
from neurosurgeon_ros.partition.padding import Rows
from neurosurgeon_ros.partition.points import INPUT, ON_DEVICE, PartitionPoint
from neurosurgeon_ros.partition.profile import Profile, StepProfile, profile
from neurosurgeon_ros.partition.running import BeforeStep, WholeWithoutPadding

__all__ = [
    "INPUT",
    "ON_DEVICE",
    "BeforeStep",
    "PartitionError",
    "PartitionPoint",
    "PartitionedNetwork",
    "Profile",
    "Rows",
    "StepProfile",
    "WholeWithoutPadding",
    "partition",
    "profile",
]
