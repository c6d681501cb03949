# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Partition engine: find the partition points of a torch network, and run the front-end and back-end at each.

The engine accepts any :class:`torch.nn.Module` with an example of its input. :func:`partition` finds where the network
can be cut and returns a :class:`PartitionedNetwork`, which runs either part.
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
