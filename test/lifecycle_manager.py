# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
nav2's lifecycle manager as a node sees it: the same service calls in the same order, with the same time limits.

After nav2_lifecycle_manager (`lifecycle_manager.cpp`) and nav2_util (`lifecycle_service_client.cpp`) of Jazzy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from watcher import LONG_S, Watcher

#: Seconds that the manager waits for a service before it changes a state, and for the answer that tells the state.
SERVICE_S = 5.0
STATE_S = 2.0

_REACHED = {
    Transition.TRANSITION_CONFIGURE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_CLEANUP: State.PRIMARY_STATE_UNCONFIGURED,
    Transition.TRANSITION_ACTIVATE: State.PRIMARY_STATE_ACTIVE,
    Transition.TRANSITION_DEACTIVATE: State.PRIMARY_STATE_INACTIVE,
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: State.PRIMARY_STATE_FINALIZED,
}


class LifecycleManager:
    """
    Brings managed nodes up and down.

    :param watcher: the node that calls their services.
    :param names: names of the nodes, in the order in which they start.
    """

    def __init__(self, watcher: Watcher, names: Sequence[str]) -> None:
        self._watcher = watcher
        self._names = names
        self._clients = {
            (name, kind): watcher.node.create_client(kind, f"{name}/{service}")
            for name in names
            for kind, service in ((ChangeState, "change_state"), (GetState, "get_state"))
        }
        for name in names:  # the constructor of its service clients waits for as long as it takes
            watcher.until(self._clients[name, GetState].service_is_ready, f"get_state of {name}")

    def startup(self) -> bool:
        """Configure all nodes, then activate all; stop at the first that fails."""
        return self._all(Transition.TRANSITION_CONFIGURE) and self._all(Transition.TRANSITION_ACTIVATE)

    def pause(self) -> bool:
        """Deactivate all nodes, the last first."""
        return self._all(Transition.TRANSITION_DEACTIVATE)

    def resume(self) -> bool:
        """Activate all nodes."""
        return self._all(Transition.TRANSITION_ACTIVATE)

    def reset(self) -> bool:
        """Deactivate all nodes, then clean up all."""
        return self._all(Transition.TRANSITION_DEACTIVATE) and self._all(Transition.TRANSITION_CLEANUP)

    def shutdown(self) -> bool:
        """Deactivate, clean up and shut down all nodes; each step is taken whatever the one before has given."""
        steps = (
            Transition.TRANSITION_DEACTIVATE,
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
        )
        return False not in [self._all(step) for step in steps]

    def _all(self, transition: int) -> bool:
        down = transition not in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
        return all(self._change(name, transition) for name in (reversed(self._names) if down else self._names))

    def _change(self, name: str, transition: int) -> bool:
        """Change a node's state as `changeStateForNode` does: it looks only at the state that comes of it."""
        client = self._clients[name, ChangeState]
        self._watcher.until(client.service_is_ready, f"change_state of {name}", SERVICE_S)
        request = ChangeState.Request()
        request.transition.id = transition
        # It waits for the answer without a limit.
        self._answer(client, request, LONG_S)
        state = self._answer(self._clients[name, GetState], GetState.Request(), STATE_S).current_state.id
        return bool(state == _REACHED[transition])

    def _answer(self, client: Any, request: Any, limit_s: float) -> Any:
        future = client.call_async(request)
        self._watcher.until(future.done, f"an answer of {client.srv_name}", limit_s)
        return future.result()
