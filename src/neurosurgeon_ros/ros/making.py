# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Make a managed node from its parameters, or from the restart state of the node that it replaces."""

from __future__ import annotations

import dataclasses

from neurosurgeon_ros.ros.managed import N, remake
from neurosurgeon_ros.ros.process.dds import Transport, applied_transport
from neurosurgeon_ros.ros.process.middleware import rmw_name
from neurosurgeon_ros.ros.process.process import NeedsUdp, StartError
from neurosurgeon_ros.ros.process.restart_state import take_restart_state


def make(kind: type[N]) -> N:
    """
    Make a node from the restart state that was left to this process, or from its parameters if there is none.

    The parameter `autostart` decides whether a node without a restart state starts by itself.

    :param kind: class whose constructor takes `overrides`, and whose parameters include `transport` and `autostart`.
    :raises StartError: if the node cannot start.
    :raises NeedsUdp: if the process uses shared memory and the node must run without it.
    """
    try:
        state = take_restart_state()
    except ValueError as problem:
        raise StartError(str(problem)) from None
    if state is not None:
        return remake(kind, state)
    node = kind()  # type: ignore[call-arg]
    parameters = node.parameters
    if parameters.transport == Transport.UDP.value and (applied := applied_transport()) is not Transport.UDP:
        if applied is Transport.AUTO:
            state = dataclasses.replace(
                node.restart_state(), state="active" if parameters.autostart else "unconfigured"
            )
            node.destroy_node()
            raise NeedsUdp(state)
        node.get_logger().warning(
            f"transport {parameters.transport} has no effect: the profile or the RMW implementation ({rmw_name()}) is "
            "another than this package's"
        )
    if parameters.autostart:
        node.autostart()
    return node
