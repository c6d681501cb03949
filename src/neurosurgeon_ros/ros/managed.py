# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A managed node: rclpy's lifecycle with logged errors, rejection of invalid requests, and diagnostics.

rclpy swallows exceptions of a transition's callback, and an impossible transition ends the executor's thread. This
module handles both. See design.ros2.org/articles/node_lifecycle.html.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter

from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.entities import steady_timer
from neurosurgeon_ros.ros.parameters import changed, check_changes, declare, read, unknown_names
from neurosurgeon_ros.ros.process.bond import Bond, make_bond
from neurosurgeon_ros.ros.process.malloc import give_back_memory
from neurosurgeon_ros.ros.process.process import StartError
from neurosurgeon_ros.ros.process.restart_state import RestartState
from neurosurgeon_ros.ros.result_messages import diagnostics_of
from neurosurgeon_ros.ros.unheard_peers import Unheard, UnheardPeers

P = TypeVar("P")
N = TypeVar("N", bound="ManagedNode[Any]")


class Refused(Exception):
    """A transition that cannot be made now, for a reason outside this node; the node stays in its current state."""


# Transitions that can be requested, by id.
_TRANSITIONS = {
    Transition.TRANSITION_CONFIGURE: "configure",
    Transition.TRANSITION_CLEANUP: "cleanup",
    Transition.TRANSITION_ACTIVATE: "activate",
    Transition.TRANSITION_DEACTIVATE: "deactivate",
    Transition.TRANSITION_UNCONFIGURED_SHUTDOWN: "shutdown",
    Transition.TRANSITION_INACTIVE_SHUTDOWN: "shutdown",
    Transition.TRANSITION_ACTIVE_SHUTDOWN: "shutdown",
}

#: Seconds between diagnostics messages.
DIAGNOSTICS_PERIOD_S = 1.0


class ManagedNode(LifecycleNode, Generic[P]):
    """
    Base class of the robot node and the edge node.

    :param name: name of the node.
    :param kind: dataclass of its parameters, see :mod:`neurosurgeon_ros.ros.parameters`.
    :param overrides: parameters that take precedence over the command line.
    :raises StartError: if a parameter is not valid.
    """

    def __init__(self, name: str, kind: type[P], overrides: Sequence[Parameter] = ()) -> None:
        super().__init__(name, parameter_overrides=list(overrides))
        self._kind = kind
        self._last_error = ""
        self._unheard_peers = UnheardPeers(self)
        self._unheard: Unheard | None = None
        self._starting = False
        self._configured = False
        self._bond: Bond | None = None
        try:
            self.parameters: P = declare(self, kind)
        except StartError:
            self.destroy_node()
            raise
        for sentence in unknown_names(self):
            self.get_logger().warning(sentence)
        self.add_on_set_parameters_callback(self._before_parameters)
        self.add_post_set_parameters_callback(self._after_parameters)
        self._refuse_impossible_transitions()
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", qos.DIAGNOSTICS)
        steady_timer(self, DIAGNOSTICS_PERIOD_S, self._publish_diagnostics)

    # Methods for subclasses to override.

    def configure(self) -> None:
        """Load and make everything; may raise."""

    def activate(self) -> None:
        """Start working; may raise."""

    def deactivate(self) -> None:
        """Stop working, and finish the work in progress."""

    def cleanup(self) -> None:
        """Free everything that :meth:`configure` has made; safe to call at any time."""

    def handover(self) -> bytes:
        """Return the data of this node that a replacing node needs; see :meth:`restart_state`."""
        return b""

    def take_over(self, handover: bytes) -> None:
        """Restore the :meth:`handover` data of the replaced node; called before anything is configured."""

    def expected_from(self) -> Sequence[str]:
        """Return the fully resolved topics on which messages are missing now, if somebody publishes them."""
        return ()

    def refuse(self, wanted: P) -> str:
        """Return why individually valid parameters cannot be applied now; empty if they can."""
        return ""

    def parameters_changed(self, before: P) -> None:
        """Apply ``self.parameters`` after a change while the node is configured."""

    def diagnostics(self) -> tuple[bytes, str, dict[str, object]]:
        """Return the level, one sentence, and the values for /diagnostics while the node is active."""
        return DiagnosticStatus.OK, "active", {}

    # Lifecycle.

    def autostart(self) -> None:
        """
        Configure and activate the node when there is no lifecycle manager.

        :raises StartError: if a transition fails; the message says why.
        """
        self.reach("active")

    def reach(self, state: str) -> None:
        """Make the transitions from unconfigured to a state; raises StartError."""
        self._starting = True
        steps = {"active": (self.trigger_configure, self.trigger_activate), "inactive": (self.trigger_configure,)}
        for step in steps.get(state, ()):
            if step() != TransitionCallbackReturn.SUCCESS:
                raise StartError(self._last_error)
        self._starting = False

    def _label(self) -> str:
        label: str = self._state_machine.current_state[1]
        return label

    def restart_state(self) -> RestartState:
        """Return the state from which this node is made again: its parameters and its current lifecycle state."""
        return RestartState(tuple(self._parameters.values()), self._label(), self.handover())

    def replacement(self) -> Callable[[], Node]:
        """
        Return a function that makes this node again in this process; it raises StartError if a transition fails.

        The function returns a :class:`ManagedNode` of the same class, whose constructor takes `overrides`.
        """
        return functools.partial(remake, type(self), self.restart_state())

    def misses_peer(self) -> bool:
        """Log why a peer is not heard, once for each cause; return whether the node will hear it over UDP."""
        unheard = self._unheard_peers.look(self.expected_from())
        if unheard == self._unheard:
            return False
        self._unheard = unheard
        if unheard is None:
            return False
        if unheard.helps_udp:
            self.get_logger().warning(f"{unheard.text}: begins again over UDP, without shared memory")
        else:
            self.say_error(unheard.text)
        return unheard.helps_udp

    def close(self) -> None:
        """Stop working and free everything, in any lifecycle state."""
        self._end_bond()
        self.deactivate()
        self.cleanup()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`configure`."""
        result = self._transition("configure", self.configure)
        self._configured = result == TransitionCallbackReturn.SUCCESS
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`activate`."""
        result = self._transition("activate", self.activate)
        give_back_memory()
        if result == TransitionCallbackReturn.SUCCESS:
            self._bond = make_bond(self, self.parameters)
        return super().on_activate(state) if result == TransitionCallbackReturn.SUCCESS else result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`deactivate`."""
        self._end_bond()
        result = self._transition("deactivate", self.deactivate)
        return super().on_deactivate(state) if result == TransitionCallbackReturn.SUCCESS else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run :meth:`cleanup`."""
        self._configured = False
        result = self._transition("clean up", self.cleanup)
        give_back_memory()
        return result

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything."""
        self._configured = False
        return self._transition("shut down", self.close)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything; the node is then unconfigured, and can be configured again."""
        self._configured = False
        result = self._transition("recover", self.close)
        give_back_memory()
        return result

    def _end_bond(self) -> None:
        if self._bond is not None:
            self._bond.close()
        self._bond = None

    def _transition(self, name: str, step: Callable[[], None]) -> TransitionCallbackReturn:
        try:
            step()
        except Refused as problem:
            self.say_error(f"cannot {name}: {problem}")
            return TransitionCallbackReturn.FAILURE
        except Exception as problem:
            kind = "" if isinstance(problem, (ValueError, StartError, OSError)) else f"{type(problem).__name__}: "
            self.say_error(f"cannot {name}: {kind}{problem}")
            return TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def say_error(self, text: str) -> None:
        """Log an error in one sentence, unless a StartError carries it, and keep it for the diagnostics."""
        self._last_error = text
        if not self._starting:
            self.get_logger().error(text)

    def _refuse_impossible_transitions(self) -> None:
        service = self._service_change_state
        change = service.callback

        def answer(request: ChangeState.Request, response: ChangeState.Response) -> ChangeState.Response:
            try:
                return change(request, response)
            except Exception:  # rclpy's RCLError, which has no public name; callbacks handle their own exceptions
                wanted = request.transition.label or _TRANSITIONS.get(request.transition.id, request.transition.id)
                self.get_logger().warning(f"transition {wanted} is not possible in state {self._label()}: refused")
                response.success = False
                return response

        service.callback = answer

    # Parameters.

    def _before_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        try:
            result = check_changes(self.parameters, changes, configured=self._configured)
            if result.successful and (reason := self.refuse(changed(self.parameters, changes))):
                return SetParametersResult(successful=False, reason=reason)
            return result
        except Exception as problem:  # an exception here would leave the caller without a response
            return SetParametersResult(successful=False, reason=f"{type(problem).__name__}: {problem}")

    def _after_parameters(self, changes: list[Parameter]) -> None:
        try:
            before, self.parameters = self.parameters, read(self, self._kind)
            if self._configured and self.parameters != before:
                self.parameters_changed(before)
        except Exception as problem:  # as above
            names = ", ".join(change.name for change in changes)
            self.say_error(f"cannot take over {names}: {type(problem).__name__}: {problem}")

    # Diagnostics.

    def _publish_diagnostics(self) -> None:
        label = self._label()
        if label == "active":
            level, text, values = self.diagnostics()
        else:
            level, text, values = DiagnosticStatus.OK, label, {}
            if self._last_error and label == "unconfigured":
                level, text = DiagnosticStatus.ERROR, self._last_error
        if self._last_error:
            values = {**values, "last error": self._last_error}
        self._diagnostics.publish(diagnostics_of(self, level, text, values))


def remake(kind: Callable[..., N], state: RestartState) -> N:
    """Make a node from its restart state; raises StartError if a transition fails."""
    node = kind(overrides=state.parameters)
    node.take_over(state.handover)
    node.reach(state.state)
    return node
