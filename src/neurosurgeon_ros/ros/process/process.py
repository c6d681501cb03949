# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Run a node as a process: start it, spin it, shut it down at SIGINT and SIGTERM, and restart it when it hears nothing.

A node whose ports in shared memory are gone restarts in the same process. A node that needs another transport restarts
in a new program that replaces this one, because Fast DDS reads its profile only once. The process id stays the same.
"""

from __future__ import annotations

import enum
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Protocol, runtime_checkable

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from neurosurgeon_ros.ros.process.dds import apply_profile, forget_profile
from neurosurgeon_ros.ros.process.malloc import give_back_freed_memory, give_back_memory, keep_memory
from neurosurgeon_ros.ros.process.middleware import is_fast_dds, what_is_skipped
from neurosurgeon_ros.ros.process.restart_state import VARIABLE, RestartState, transport_left
from neurosurgeon_ros.ros.process.shared_memory import ReadPorts
from neurosurgeon_ros.ros.process.stale_memory import release_half_made_ports

#: Signals that tell the process to stop.
SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: Seconds between checks whether the process was told to stop.
SPIN_S = 0.1

#: Seconds between checks whether other processes still reach this one, and of the ports that killed processes left.
LOOK_PERIOD_S = 1.5

#: Seconds after the start when freed memory is returned to the operating system, and how many times longer it takes
#: until the next time. What happens once, such as a first edge, needs more memory than the frames after it.
SETTLED_S, RARER = 10.0, 6.0

#: Seconds for which a thread may keep the interpreter while others wait. A frame changes threads several times, and the
#: thread that hands it over still has work to do. With Python's default of 5 ms, each handover would wait for most of
#: that time.
SWITCH_S = 0.0002


class StartError(Exception):
    """A node cannot start; the message is one sentence that says what to do."""


class NeedsUdp(Exception):
    """
    The node must run without shared memory, but its process uses it.

    :param state: restart state from which the node is made again.
    """

    def __init__(self, state: RestartState) -> None:
        super().__init__("without shared memory, in another process")
        self.state = state


class _End(enum.Enum):
    """The reason why a node is no longer spun."""

    STOPPED = enum.auto()
    PORTS_LOST = enum.auto()
    UNHEARD = enum.auto()


@runtime_checkable
class Restartable(Protocol):
    """A node that can be made again, in this process or in another one."""

    def close(self) -> None:
        """Stop working, and join the node's threads."""

    def replacement(self) -> Callable[[], Node]:
        """Return a function that makes the same node again after :meth:`close`; the function raises StartError."""

    def restart_state(self) -> RestartState:
        """Return the state from which another process makes the same node again."""

    def misses_peer(self) -> bool:
        """Return whether there is a peer that is not heard now and would be heard over UDP."""


class _Interrupted(BaseException):
    """The process was told to stop during start-up. Not an Exception, so that no handler takes it for an error."""


class Signals:
    """Records SIGINT and SIGTERM in a flag; while `starting` is set, the first one also interrupts the start-up."""

    def __init__(self) -> None:
        self.starting = True
        self.stopping = False
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        first, self.stopping = not self.stopping, True
        if self.starting and first:
            raise _Interrupted


def run(make_node: Callable[[], Node], args: list[str] | None = None, *, polls: bool = False) -> int:
    """
    Make a node, spin it until the process is told to stop, and destroy it.

    A :class:`Restartable` node restarts when other processes no longer reach it, see
    :mod:`neurosurgeon_ros.ros.process.shared_memory`, and restarts over UDP when it misses a peer.

    :param make_node: makes the node; raises :class:`StartError` if it cannot. A node's ``close()``, if it has one, is
        called before the node is destroyed: it joins the node's threads.
    :param args: command line; by default that of the process.
    :param polls: whether the node needs the polling executor: for message info, or for endpoint events.
    :returns: exit code: 0 after SIGINT or SIGTERM at any time, 1 if the node could not start.
    """
    node: Node | None = None
    state: RestartState | None = None
    code = 0
    try:
        signals = Signals()
        problem = prepare()
        _init(args)
        if problem:
            get_logger("neurosurgeon").warning(problem)
        if skipped := what_is_skipped():
            get_logger("neurosurgeon").info(skipped)
        node = make_node()
        signals.starting = False
        while True:
            end = _spin(node, SingleThreadedExecutor() if polls else make_executor(), signals)
            if end is _End.STOPPED or not isinstance(node, Restartable):
                break
            if end is _End.UNHEARD:
                raise NeedsUdp(node.restart_state())
            make_node = node.replacement()
            node.close()
            before, node = node, None
            signals.starting = True
            if signals.stopping:
                break
            # Senders remember the state of a port by its number. The old node keeps its ports until the new node has
            # ports with other numbers.
            rclpy.shutdown()
            _init(args)
            try:
                node = make_node()
            finally:
                before.destroy_node()
                # A lifecycle node releases some middleware resources only when the object is deleted.
                del before
                give_back_memory()
            signals.starting = False
    except _Interrupted:
        pass
    except NeedsUdp as needed:
        state, signals.starting = needed.state, False
        # From here on, signals stay pending for the program that replaces this one. Its executable unblocks them.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    except StartError as problem:
        get_logger("neurosurgeon").fatal(str(problem))
        code = 1
    finally:
        for number in SIGNALS if state is None else ():
            signal.signal(number, signal.SIG_IGN)
        if node is not None:
            close = getattr(node, "close", None)
            if close is not None:
                close()
            node.destroy_node()
        rclpy.try_shutdown()
    if state is not None:
        _begin_again_over_udp(state, signals)
    if node is None and state is None and code == 0:
        # Interrupted while the node was being made: a partly made node cannot be destroyed piece by piece.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return code


def _init(args: list[str] | None) -> None:
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as problem:  # a missing parameter file, or an argument that ROS cannot parse
        said = " ".join(str(problem).split())
        raise StartError(f"ROS 2 refuses the command line or the environment: {said}") from None


def prepare() -> str:
    """
    Prepare this process for large or urgent messages; call before rclpy starts.

    :returns: a sentence for the log if the process cannot use shared memory, otherwise an empty string.
    """
    sys.setswitchinterval(SWITCH_S)
    keep_memory()
    return apply_profile(transport_left())


def _begin_again_over_udp(state: RestartState, signals: Signals) -> None:
    """Replace this program by a new one with the same process id, command line and output, unless told to stop."""
    os.environ[VARIABLE] = state.to_text()
    forget_profile()
    sys.stdout.flush()
    sys.stderr.flush()
    # If another thread received a signal before all threads had blocked it, its handler has been called by now.
    if not signals.stopping:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def make_executor() -> Executor:
    """
    Make the executor that delivers messages with the least delay.

    rclpy's events executor is experimental, and not part of every Jazzy release. There, the handler of an endpoint's
    events may outlive the endpoint (rclpy issue 1644), so endpoints that come and go have no such handlers:
    `qos.QUIET_PUBLISHER`.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def _spin(node: Node, executor: Executor, signals: Signals) -> _End:
    """Spin until the process must stop, or until the node and other processes no longer reach each other."""
    ports = ReadPorts() if is_fast_dds() else None
    look_s, settled_s, pause_s = time.monotonic() + LOOK_PERIOD_S, time.monotonic() + SETTLED_S, SETTLED_S
    executor.add_node(node)
    try:
        while not signals.stopping and rclpy.ok():
            if isinstance(node, Restartable) and time.monotonic() >= look_s:
                look_s = time.monotonic() + LOOK_PERIOD_S
                if look_s >= settled_s:
                    pause_s *= RARER
                    settled_s = look_s + pause_s
                    give_back_freed_memory()
                if ports is not None and (lost := _lost(ports)):
                    node.get_logger().error(f"{', '.join(sorted(lost))} was removed, nothing is heard: begins again")
                    return _End.PORTS_LOST
                if node.misses_peer():
                    return _End.UNHEARD
            try:
                executor.spin_once(timeout_sec=SPIN_S)
            except ExternalShutdownException:
                return _End.STOPPED
            except Exception as problem:  # one callback's error must not end the node
                node.get_logger().error(f"a callback failed: {type(problem).__name__}: {problem}")
    finally:
        executor.remove_node(node)
        executor.shutdown(timeout_sec=0.5)
    return _End.STOPPED


def _lost(ports: ReadPorts) -> frozenset[str]:
    """Free the ports that killed processes left half made; return the ports of this process that were removed."""
    release_half_made_ports()
    return ports.lost()
