# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The stage of a fault: robot, edge, link, camera and counter, as real processes over real DDS."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from benchmarks.faults.stage.camera import Camera
from benchmarks.faults.stage.counter import Counter, Tally
from benchmarks.faults.stage.ports import has_others, remove_ports
from benchmarks.faults.stage.relay import EDGE_SIDE, ROBOT_SIDE, Relay
from neurosurgeon_ros.cli.demo.children import Child, start_node, wait_for_end
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros.process.dds import apply_profile

#: Maximum number of seconds until a started node works.
START_S = 60.0

#: Seconds of silence after which no more messages are expected.
SILENCE_S = 0.7

#: Seconds to wait for the decision or the detections of a frame if only the other has arrived; then it is lost.
UNEVEN_S = 5.0

#: Interval in seconds at which the interpreter switches between Python threads.
SWITCH_S = 0.001

MODEL = "mobilenet_v2"

#: Speed of the robots as a fraction of this machine's. Edge, link, camera and counter share the machine with them: an
#: emulated stage of the robot takes its time even if another process needs a core for some milliseconds.
ROBOT_SPEED = 0.25


class StageError(Exception):
    """The stage does not work even without a fault. The message is one sentence."""


class Stage:
    """
    A running robot, edge, link, camera and counter.

    :param logs: folder for the nodes' logs.
    :param parameters: additional parameters for both robot and edge.
    :param environment: additional environment variables for both robot and edge.
    :param robot_parameters, edge_parameters: additional parameters for every robot and for every edge.
    :param robots: ids of the robots that the relay serves.
    :ivar stops: intervals in which the robot's process was stopped, monotonic seconds.
    """

    def __init__(
        self,
        *,
        logs: Path,
        seed: int,
        deadline_s: float,
        period_s: float,
        parameters: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        robot_parameters: Mapping[str, object] | None = None,
        edge_parameters: Mapping[str, object] | None = None,
        robots: Sequence[str] = ("robot_node",),
    ) -> None:
        apply_profile()
        self.logs = logs
        self.seed = seed
        self.deadline_s = deadline_s
        self.children: list[Child] = []
        self.stops: list[tuple[float, float]] = []
        self.edge: Child | None = None
        self.robot: Child | None = None
        self._both = {"model": MODEL, "threads": 1, **(parameters or {})}
        self._robot_parameters = robot_parameters or {}
        self._edge_parameters = edge_parameters or {}
        self._environment = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", **(environment or {})}
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node("counter", context=self._context, start_parameter_services=False, enable_rosout=False)
        self.relay = Relay(
            Node("relay", context=self._context, start_parameter_services=False, enable_rosout=False), robots
        )
        self.counter = Counter(self.node)
        self._surplus = 0
        self.camera = Camera(self.node, period_s=period_s, seed=seed)
        self._ending = threading.Event()
        # Camera, link and counter are threads of one process. None of them may wait long for another.
        sys.setswitchinterval(SWITCH_S)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="counter", daemon=True)
        self._thread.start()

    def start_robot(
        self, name: str = "robot", *, remappings: Mapping[str, str] | None = None, **parameters: object
    ) -> Child:
        """Start a robot; it becomes the stage's robot unless it has another name."""
        child = self._start(
            "robot_node",
            name,
            {
                "policy": "edge_only",
                "codecs": ["uint8"],
                "deadline_ms": 1e3 * self.deadline_s,
                "robot_speed": ROBOT_SPEED,
                "edge_namespace": ROBOT_SIDE,
                "seed": self.seed,
                **self._robot_parameters,
                **parameters,
            },
            remappings,
        )
        if name == "robot":
            self.robot = child
        return child

    def start_edge(self, name: str = "edge", **parameters: object) -> Child:
        """Start an edge; it becomes the stage's edge unless it has another name."""
        child = self._start("edge_node", name, {"edge_namespace": EDGE_SIDE, **self._edge_parameters, **parameters})
        if name == "edge":
            self.edge = child
        return child

    def restore(self) -> None:
        """Undo what a fault may have left behind: a plan, a change to images, a process that has ended."""
        self.relay.plan = None
        self.camera.bend = None
        self.children = [child for child in self.children if not child.ended]
        if self.robot is None or self.robot.ended:
            self.start_robot()
            self.await_robot()
        if self.edge is None or self.edge.ended:
            self.start_edge()

    def end(self, child: Child, number: signal.Signals = signal.SIGTERM) -> int:
        """End a process with a signal, and return its exit status."""
        child.send(number)
        code = child.process.wait(10.0)
        self.children.remove(child)
        return code

    def cut_off(self, child: Child) -> int:
        """
        Remove the shared memory through which a process receives, and wait until it has begun again with other ports.

        :returns: number of ports that it had.
        :raises AssertionError: if it does not begin again in time.
        """
        pid = child.process.pid
        ports = remove_ports(pid)
        if not self.counter.wait_for(lambda: has_others(pid, ports), START_S):
            raise AssertionError(f"{child.name} kept the shared memory that was removed (see {child.log})")
        return len(ports)

    @contextlib.contextmanager
    def stopped(self, child: Child) -> Iterator[None]:
        """Stop a process until the context ends."""
        begin_s = time.monotonic()
        child.send(signal.SIGSTOP)
        try:
            yield
        finally:
            child.send(signal.SIGCONT)
            if child is self.robot:
                self.stops.append((begin_s, time.monotonic()))

    def await_robot(self) -> None:
        """Wait until the robot answers images, or raise StageError."""
        self.camera.play()
        heard = len(self.counter.decided)
        robot = self.robot

        def settled() -> bool:
            return len(self.counter.decided) > heard + 2 or (robot is not None and robot.ended)

        if not self.counter.wait_for(settled, START_S) or len(self.counter.decided) <= heard + 2:
            if robot is not None and robot.ended:
                raise StageError(robot.end_in_words)
            raise StageError(f"the robot answered no image within {START_S:g} s (see {self.logs})")

    def await_edge(self, timeout_s: float = START_S, since_s: float | None = None) -> float | None:
        """
        Wait until the edge answers a frame.

        :param since_s: frames decided earlier than this do not count, monotonic seconds; None for now.
        :returns: when the edge answered, seconds after `since_s`; None if it did not in time.
        """
        begin_s = time.monotonic() if since_s is None else since_s
        decided = self.counter.decided

        def used() -> float | None:
            for one in reversed(decided):
                if one.at_s <= begin_s:
                    return None
                if one.outcome is Outcome.EDGE:
                    return one.at_s
            return None

        self.counter.wait_for(used, timeout_s)
        found = [one.at_s for one in decided if one.at_s > begin_s and one.outcome is Outcome.EDGE]
        return found[0] - begin_s if found else None

    def drain(self) -> None:
        """Pause the camera, and wait until no frame is under way."""
        self.camera.pause()
        uneven_until_s = time.monotonic() + UNEVEN_S
        while True:
            heard = self.counter.mark()
            if not self.counter.wait_for(lambda heard=heard: self.counter.mark() != heard, SILENCE_S) and (
                self.counter.surplus == self._surplus or time.monotonic() > uneven_until_s
            ):
                # The surplus stays: a robot that was killed may have published only one of the two.
                self._surplus = self.counter.surplus
                return

    def tally(self, since: tuple[int, int]) -> Tally:
        """Count what happened to the frames since a mark."""
        return self.counter.tally(since, self.camera.shown, self.stops)

    def close(self) -> None:
        """End all processes and threads of the stage."""
        self.camera.close()
        for child in self.children:
            child.send(signal.SIGCONT)
            child.send(signal.SIGINT)
        wait_for_end(self.children, time.monotonic() + 3.0)
        self._ending.set()
        self._thread.join()
        self.relay.close()
        self._executor.shutdown(timeout_sec=0.5)
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def _start(
        self,
        executable: str,
        name: str,
        parameters: Mapping[str, object],
        remappings: Mapping[str, str] | None = None,
    ) -> Child:
        logs = self.logs / f"{len(list(self.logs.glob('*')))}_{name}"
        logs.mkdir(parents=True)
        child = start_node(
            executable, {**self._both, **parameters}, logs=logs, environment=self._environment, remappings=remappings
        )
        self.children.append(child)
        return child

    def _spin(self) -> None:
        while not self._ending.is_set():
            self._executor.spin_once(timeout_sec=0.1)
