# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The robot: receives camera images, shares the network with the edge, and publishes one detections message for each.

A frame's path begins in :mod:`.active_robot`, whose camera offers the frame to :mod:`neurosurgeon_ros.robot.pipeline`.
The pipeline drops the frame or takes it. :mod:`neurosurgeon_ros.robot.processor` names the file of each later step.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message

from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.nodes.active_robot import ActiveRobot
from neurosurgeon_ros.nodes.configured_robot import ConfiguredRobot
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.protocol.presence import new_secret, session_of, to_id
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.ros.hellos import Hellos
from neurosurgeon_ros.ros.making import make
from neurosurgeon_ros.ros.managed import ManagedNode, Refused
from neurosurgeon_ros.ros.messages import hello
from neurosurgeon_ros.ros.process.process import run

#: Maximum number of kinds of complaints that are remembered; each kind is logged once.
MOST_COMPLAINTS = 100


class RobotNode(ManagedNode[RobotParameters]):
    """The lifecycle and the id of a robot."""

    def __init__(self, overrides: Sequence[Parameter] = ()) -> None:
        super().__init__("robot_node", RobotParameters, overrides)
        self._complained: set[str] = set()
        self._left: RobotHello | None = None
        self._configured_robot: ConfiguredRobot | None = None
        self._active_robot: ActiveRobot | None = None

    # Lifecycle.

    def configure(self) -> None:
        """Load the network, and measure every arm on this machine."""
        parameters = self.parameters
        robot_id = to_id(parameters.robot_id or self.get_fully_qualified_name())
        hellos = Hellos(self, parameters.edge_namespace, left=self._left)
        try:
            self._configured_robot = ConfiguredRobot(robot_id, hellos, parameters)
        except BaseException:
            hellos.close()
            raise
        self._configured_robot.describe(self.get_logger(), parameters)

    def activate(self) -> None:
        """Claim the id, start the pipeline, and subscribe to camera and edge."""
        configured = self._configured_robot
        assert configured is not None
        identity = self._take_id(configured)
        self._active_robot = ActiveRobot(self, configured, identity, complain=self._complain)

    def _take_id(self, configured: ConfiguredRobot) -> Identity:
        """
        Claim the robot's id, unless another robot holds it.

        Frames are numbered from 1 again. The session is new, so a late answer to an older session is not taken for an
        answer to this one.
        """
        secret = new_secret()
        identity = Identity(configured.robot_id, session_of(secret))
        message = hello(
            identity,
            configured.engine.fingerprint,
            configured.engine.model.name,
            node=self.get_fully_qualified_name(),
            host=socket.gethostname(),
        )
        holder = configured.hellos.claim(message, secret)
        if holder is not None:
            raise Refused(f"the id {identity.robot_id} is held by another robot, {holder}: give each its own robot_id")
        return identity

    def deactivate(self) -> None:
        """Accept no more frames, finish the current one, release the id, and destroy everything."""
        active, self._active_robot = self._active_robot, None
        if active is not None:
            active.close()
        if self._configured_robot is not None:
            self._configured_robot.hellos.leave()

    def cleanup(self) -> None:
        """Free the network."""
        configured, self._configured_robot = self._configured_robot, None
        if configured is not None:
            configured.close()
            self._left = configured.hellos.goodbye

    def handover(self) -> bytes:
        """Return the goodbye of the newest session; a node that replaces this one publishes it again."""
        goodbye = self._left if self._configured_robot is None else self._configured_robot.hellos.goodbye
        return b"" if goodbye is None else serialize_message(goodbye)

    def take_over(self, handover: bytes) -> None:
        """Restore the :meth:`handover` data of the replaced node."""
        self._left = deserialize_message(handover, RobotHello) if handover else None

    def expected_from(self) -> tuple[str, ...]:
        """Return the topics of edge and camera while they are silent."""
        return () if self._active_robot is None else self._active_robot.expected_from()

    # Parameters.

    def refuse(self, wanted: RobotParameters) -> str:
        """Return why the loaded network cannot satisfy the parameters; empty if it can."""
        return "" if self._configured_robot is None else self._configured_robot.refuse(wanted)

    def parameters_changed(self, before: RobotParameters) -> None:
        """Apply changed parameters."""
        if self._active_robot is not None:
            self._active_robot.change(before, self.parameters)

    # Diagnostics.

    def diagnostics(self) -> tuple[bytes, str, dict[str, object]]:
        """Return the diagnostics: whether images arrive, and whether the edge is used."""
        assert self._active_robot is not None
        return self._active_robot.diagnostics(self._rival())

    def _rival(self) -> str:
        """Return a sentence about another robot that says hello with this id, if two claimed it at the same moment."""
        configured = self._configured_robot
        holder = None if configured is None else configured.hellos.holder(configured.robot_id)
        if configured is None or holder is None:
            return ""
        return f"another robot says hello as {configured.robot_id}, {holder}: give each its own robot_id"

    def _complain(self, text: str, kind: str) -> None:
        """Log an error, once for each kind."""
        if kind not in self._complained and len(self._complained) < MOST_COMPLAINTS:
            self._complained.add(kind)
            self.say_error(text)


def make_robot_node() -> RobotNode:
    """Make the node, and start it if the parameter `autostart` is set; raises StartError."""
    return make(RobotNode)


def main(args: list[str] | None = None) -> int:
    """Run the robot node until the process is told to stop; returns the exit code."""
    return run(make_robot_node, args)
