# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Beliefs about link, edge and robot before the first observation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.adaptive.log_filter import Prior
from neurosurgeon_ros.learning.adaptive.surcharge import Surcharge

#: A DDS sample with more bytes than this is fragmented, because a datagram cannot hold it. Nominal extra cost per byte
#: of a fragmented message, as a share.
FRAGMENT_BYTES, FRAGMENT_COST = 64_000, 0.15
#: The extra cost is at most the cost of the bytes themselves. Without this limit, one large message during an outage
#: would make all large messages look slow, and small probes could not show that they are not. `forget_s` is tuned with
#: the experiment `links`.
_FRAGMENTS = Surcharge(term=2, of=1, most=math.log(1.0 / FRAGMENT_COST), sd=1.0, forget_s=20.0)
#: Terms of the link: round trip, bytes, and the extra cost of the bytes of fragmented messages.
LINK_PRIOR = Prior(
    sd=np.array([1.0, 0.0, 1.0]),
    level=np.array([0.0, 1.0, 1.0]),
    level_sd=1.6,
    offset_sd=0.1,
    drift=0.03,
    surcharges=(_FRAGMENTS,),
)
#: Terms of the edge: multiply-accumulates of convolutions, fully connected layers and activations; layers.
EDGE_PRIOR = Prior(sd=np.full(4, 0.7), level=np.ones(4), level_sd=1.2, offset_sd=0.15, drift=0.03)
#: Terms of link and edge together, if only their sum is learnt.
JOINT_PRIOR = Prior(
    sd=np.concatenate([[1.0, 0.0, 1.0], np.full(4, 1.4)]),
    level=np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    level_sd=1.6,
    offset_sd=0.1,
)
#: Measured duration of the robot's stages relative to their expected duration.
ROBOT_PRIOR = Prior(sd=np.zeros(1), level=np.ones(1), level_sd=0.1, noise_sd=0.05, offset_sd=0.05, drift=1e-3)


@dataclass(frozen=True, slots=True)
class Nominal:
    """
    Initial orders of magnitude, the same for every robot, edge and network. A tenfold error has little effect.

    :param bytes_per_s: the link's rate.
    :param round_trip_s: seconds that an empty message takes to the edge and back.
    :param macs_per_s: the edge's multiply-accumulates per second.
    :param layer_s: the edge's additional seconds per layer.
    """

    bytes_per_s: float = 2.5e6
    round_trip_s: float = 5e-3
    macs_per_s: float = 500e9
    layer_s: float = 50e-6
