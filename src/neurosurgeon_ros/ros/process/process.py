# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A node as a process: start-up, spinning, an orderly end at SIGINT and SIGTERM, and a new start when it is deaf.

A node whose ports in shared memory are gone begins again in the same process. One that needs another transport begins
again in another program in the process's place, since Fast DDS reads its profile once: the process id stays.
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

from neurosurgeon_ros.ros.process.dds import PROFILES_FILE, apply_profile
from neurosurgeon_ros.ros.process.malloc import give_back_memory, keep_memory
from neurosurgeon_ros.ros.process.restart_state import VARIABLE, RestartState, transport_left
from neurosurgeon_ros.ros.process.shared_memory import ReadPorts

#: By which a process is told to stop.
SIGNALS = (signal.SIGINT, signal.SIGTERM)

#: Seconds between looks at whether the process was told to stop.
SPIN_S = 0.1

#: Seconds between looks at whether other processes still reach this one.
LOOK_PERIOD_S = 1.5

#: Seconds for which a thread may keep the interpreter from others. A frame changes threads several times, and whoever
#: handed it over still has things to do; of Python's own 5 ms, most would be waited for each time.
SWITCH_S = 0.0002


class StartError(Exception):
    """A node cannot start; the message is one sentence that says what to do."""


class NeedsUdp(Exception):
    """
    A node is to run without shared memory, and its process uses it.

    :param state: makes the node again.
    """

    def __init__(self, state: RestartState) -> None:
        super().__init__("without shared memory, in another process")
        self.state = state


class _End(enum.Enum):
    """Why a node is spun no more."""

    STOPPED = enum.auto()
    PORTS_LOST = enum.auto()
    UNHEARD = enum.auto()


@runtime_checkable
class Restartable(Protocol):
    """A node that can be made again, in this process or in another one."""

    def close(self) -> None:
        """Stop working, and join the node's threads."""

    def replacement(self) -> Callable[[], Node]:
        """Return what makes the same node again after :meth:`close`; making it raises StartError."""

    def restart_state(self) -> RestartState:
        """Return what makes the same node again in another process."""

    def misses_peer(self) -> bool:
        """Whether a peer is not heard that would be over UDP."""


class _Interrupted(BaseException):
    """Told to stop before the node was up; no Exception, so that nothing on the way takes it for an error."""


class Signals:
    """SIGINT and SIGTERM as a flag; while `starting`, they interrupt what is under way."""

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
    Make a node, spin it until the process is told to stop, and take it down.

    A :class:`Restartable` node begins again when other processes do not reach it any more, see
    :mod:`neurosurgeon_ros.ros.process.shared_memory`, and over UDP when it misses a peer.

    :param make_node: makes the node; raises :class:`StartError` if it cannot. A node's ``close()``, if it has one, is
        called before it is destroyed: it joins the node's threads.
    :param args: command line, that of the process by default.
    :param polls: the node needs the executor that polls: for the info of messages, or for events of endpoints.
    :returns: exit code: 0 after SIGINT or SIGTERM at any moment, 1 if the node could not start.
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
            # Senders keep what they know of a port by its number. The old node keeps its numbers until the new one has
            # others.
            rclpy.shutdown()
            _init(args)
            try:
                node = make_node()
            finally:
                before.destroy_node()
                # What a lifecycle node keeps of the middleware goes with the object only.
                del before
                give_back_memory()
            signals.starting = False
    except _Interrupted:
        pass
    except NeedsUdp as needed:
        state, signals.starting = needed.state, False
        # What comes from here on waits for the program that takes this one's place: its executable lifts this.
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
        # Interrupted in the middle of making the node: what it had begun cannot be taken down piece by piece.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return code


def _init(args: list[str] | None) -> None:
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except Exception as problem:  # a parameter file that is not there, an argument that ROS cannot read
        said = " ".join(str(problem).split())
        raise StartError(f"ROS 2 refuses the command line or the environment: {said}") from None


def prepare() -> str:
    """
    Make this process fit for messages that are large or urgent; call before rclpy starts.

    :returns: a sentence for the log if it cannot use shared memory, otherwise an empty string.
    """
    sys.setswitchinterval(SWITCH_S)
    keep_memory()
    return apply_profile(transport_left())


def _begin_again_over_udp(state: RestartState, signals: Signals) -> None:
    """Replace this program by another, with its process id, command line and output, unless told to stop."""
    os.environ[VARIABLE] = state.to_text()
    os.environ.pop(PROFILES_FILE, None)
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal that came by another thread, before they all had it blocked, has its handler called by now at the latest.
    if not signals.stopping:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def make_executor() -> Executor:
    """
    Make the executor that takes least time to hand over a message.

    rclpy's executor of events is experimental, and not in every release of Jazzy. What handles an endpoint's events
    may outlive it there (rclpy issue 1644), so that endpoints that come and go have none: `qos.QUIET_PUBLISHER`.
    """
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def _spin(node: Node, executor: Executor, signals: Signals) -> _End:
    """Spin until the process is to stop, or until other processes and the node do not reach each other."""
    ports = ReadPorts() if isinstance(node, Restartable) else None
    look_s = time.monotonic() + LOOK_PERIOD_S
    executor.add_node(node)
    try:
        while not signals.stopping and rclpy.ok():
            if ports is not None and time.monotonic() >= look_s:
                look_s = time.monotonic() + LOOK_PERIOD_S
                if lost := ports.lost():
                    node.get_logger().error(f"{', '.join(sorted(lost))} was removed, nothing is heard: begins again")
                    return _End.PORTS_LOST
                if isinstance(node, Restartable) and node.misses_peer():
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
