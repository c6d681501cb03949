# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Online learning of the partition point: policies that choose an arm for each frame, and the key-frame detector."""

from __future__ import annotations

import inspect
from typing import Any

from neurosurgeon_ros.learning.adaptive.policy import AdaptiveMuLinUcb
from neurosurgeon_ros.learning.epsilon_greedy import EpsilonGreedy
from neurosurgeon_ros.learning.fixed import EdgeOnly, OnDevice
from neurosurgeon_ros.learning.interface import Policy
from neurosurgeon_ros.learning.lin_ucb import LinUcb
from neurosurgeon_ros.learning.mu_lin_ucb import MuLinUcb
from neurosurgeon_ros.learning.neurosurgeon import Neurosurgeon
from neurosurgeon_ros.learning.peers.cd_lin_ucb import CdLinUcb
from neurosurgeon_ros.learning.peers.d_lin_ucb import DLinUcb
from neurosurgeon_ros.learning.peers.exp4 import Exp4
from neurosurgeon_ros.learning.peers.lin_ts import LinTs
from neurosurgeon_ros.learning.peers.sw_lin_ucb import SwLinUcb

_POLICIES: dict[str, type[Policy]] = {
    "adaptive_mu_lin_ucb": AdaptiveMuLinUcb,
    "mu_lin_ucb": MuLinUcb,
    "lin_ucb": LinUcb,
    "epsilon_greedy": EpsilonGreedy,
    "d_lin_ucb": DLinUcb,
    "sw_lin_ucb": SwLinUcb,
    "cd_lin_ucb": CdLinUcb,
    "lin_ts": LinTs,
    "exp4": Exp4,
    "neurosurgeon": Neurosurgeon,
    "edge_only": EdgeOnly,
    "on_device": OnDevice,
}

#: The policy that a robot should use.
DEFAULT_POLICY = "adaptive_mu_lin_ucb"
#: Names that :func:`make_policy` accepts.
POLICIES = tuple(_POLICIES)


def make_policy(name: str, *, n_arms: int, seed: int = 0, **options: Any) -> Policy:
    """
    Make a policy by its registered name.

    :param name: one of :data:`POLICIES`.
    :param n_arms: number of arms in the contexts that the policy will see.
    :param seed: seed of the policy's random numbers.
    :param options: the policy's own keyword arguments.
    :raises ValueError: if the name or an option is unknown, or if an option's value is invalid; the message names the
        choices.
    """
    if name not in _POLICIES:
        raise ValueError(f"there is no policy {name!r}; choose one of {', '.join(POLICIES)}")
    known = [option for option in inspect.signature(_POLICIES[name]).parameters if option not in ("n_arms", "seed")]
    for option in options:
        if option not in known:
            choices = f"choose among {', '.join(known)}" if known else "it has none"
            raise ValueError(f"policy {name} has no option {option!r}; {choices}")
    factory: Any = _POLICIES[name]
    policy: Policy = factory(n_arms=n_arms, seed=seed, **options)
    return policy
