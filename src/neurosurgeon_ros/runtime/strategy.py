# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a robot chooses among and by: the arms, the policy, and the running means of the arms. Replaced as one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.codecs.camera import sendable_size
from neurosurgeon_ros.learning.interface import BoolArray, Choice, Context, Policy, Truth
from neurosurgeon_ros.runtime.arms import ArmTable
from neurosurgeon_ros.runtime.decision import Arrival
from neurosurgeon_ros.runtime.running import RunningMeans

#: An arm is not sent as a frame if even its optimistic delay is over this many deadlines.
HOPELESS_DEADLINES = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Strategy:
    """
    A policy with the arms that are its own.

    :param policy: chooses among the arms of `table`, and has learnt of no others.
    :param policy_name: its registered name, for the decisions.
    :param running: of the arms of `table`.
    """

    table: ArmTable
    policy: Policy
    policy_name: str
    running: RunningMeans

    def context(
        self,
        *,
        frame: int,
        key_frame: Truth,
        deadline_s: float,
        waited_s: float,
        fidelity_price_s: float,
        now_s: float,
        edge_available: bool,
        link_free: bool,
        link_busy: bool,
        received: bool = False,
    ) -> Context:
        """
        Tell what the policy may choose from for one frame.

        :param frame: number of the accepted frame.
        :param waited_s: how long it has waited, of its deadline.
        :param key_frame: whether it is a key frame, asked for where that matters alone.
        :param edge_available: whether an edge may be used; without one there is only `on_device`.
        :param link_free: whether no earlier transfer could still fill the link; otherwise the same.
        :param link_busy: whether anything of ours is under way.
        :param received: whether the camera's picture may travel as it came.
        """
        table = self.table
        allowed = self.allowed(received)
        if not (edge_available and link_free):
            allowed = np.zeros_like(allowed)
            allowed[table.on_device] = True
        return Context(
            frame=frame,
            robot_s=self.running.robot_s,
            features=self.running.features,
            decode_s=table.decode_s,
            point=table.point,
            allowed=allowed,
            on_device=table.on_device,
            key_frame=key_frame,
            now_s=now_s,
            period_s=self.running.period_s,
            deadline_s=deadline_s,
            waited_s=waited_s,
            edge_available=edge_available,
            link_busy=link_busy,
            penalty_s=100.0 * fidelity_price_s * (1.0 - table.fidelity),
        )

    def look_at(self, arrival: Arrival, pixels: NDArray[np.uint8]) -> CameraImage:
        """Take note of a frame's image: its size, and what the camera's own JPEG weighs, if it may travel."""
        height, width = pixels.shape[:2]
        self.running.shown(width * height)
        arm, data = self.table.as_received, arrival.encoded
        if arm is None or data is None or sendable_size(data) != (width, height):
            return CameraImage(pixels)
        self.running.came(arm, data.nbytes)
        return CameraImage(pixels, data)

    def allowed(self, received: bool) -> BoolArray:
        """
        Tell which arms could send something of one frame; shape (n,).

        :param received: as in :meth:`context`.
        """
        as_received = self.table.as_received
        if received or as_received is None:
            return self.table.allowed
        allowed = self.table.allowed.copy()
        allowed[as_received] = False
        return allowed

    def choose(self, context: Context, *, received: bool = False) -> tuple[Choice, str]:
        """
        Let the policy choose, and hold its choice against the rules that no policy may break.

        :param received: as it was for the context.
        :return: the choice to follow, and in one sentence why it is another than the policy's; empty if it is not.
        """
        choice, reason = self.policy.select(context), ""
        name = self.table.arms[choice.arm].name
        optimistic_s = float(context.robot_s[choice.arm]) + choice.optimistic_offload_s
        if choice.arm != context.on_device and not context.allowed[choice.arm]:
            reason = f"{name} may not be chosen"
            choice = replace(choice, arm=context.on_device, predicted_offload_s=math.nan)
        elif choice.arm != context.on_device and optimistic_s > HOPELESS_DEADLINES * context.deadline_s:
            reason = f"{name} would take over {HOPELESS_DEADLINES:.0f} deadlines even at best"
            choice = replace(choice, arm=context.on_device, predicted_offload_s=math.nan)
        sample = choice.sample_arm
        if sample is not None and (sample == context.on_device or context.point[sample] > context.point[choice.arm]):
            choice = replace(choice, sample_arm=None)  # the front-end does not come by its tensors
        elif sample is not None and not self.allowed(received)[sample]:
            choice = replace(choice, sample_arm=None)
        return choice, reason

    def followed_by(self, table: ArmTable, policy: Policy, policy_name: str) -> Strategy:
        """Return a strategy with another policy and its arms, under the same camera."""
        return Strategy(table, policy, policy_name, self.running.for_table(table))
