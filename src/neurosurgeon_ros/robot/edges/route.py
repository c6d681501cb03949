# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's route to one edge: the uplink, the streams, and the policy that learns the delays of this edge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neurosurgeon_ros.learning.interface import BoolArray, Choice, Context, Kind
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.streams.streams import RobotStreams
from neurosurgeon_ros.robot.uplink.requests import Measured
from neurosurgeon_ros.robot.uplink.uplink import Availability, EdgeUplink

if TYPE_CHECKING:
    from neurosurgeon_ros.robot.frame import Frame

#: Weight of the newest delay in the running mean that stands in for a policy without predictions.
NEWEST = 0.3


@dataclass(slots=True, eq=False)
class Route:
    """
    One candidate edge. Owned by the robot's worker, except the inbox of its uplink.

    :param name: name of the route, "" for the edge that uses the topics of the namespace. It never changes.
    :param selector: the policy of this edge. The arms and their statistics are those of all routes.

    :ivar was_used: whether a frame could ever go to this edge.
    :ivar answers: looks that this start of the edge has answered.
    :ivar look_s: seconds that the last look took until its answer.
    :ivar measured_s: running mean of the delay from the start on the robot to the answer; NaN if none was measured.
    """

    name: str
    uplink: EdgeUplink
    streams: RobotStreams
    selector: ArmSelector
    was_used: bool = False
    answers: int = 0
    look_s: float = math.nan
    measured_s: float = math.nan

    def context(self, frame: Frame, available: Availability, *, now_s: float, is_look: bool = False) -> Context:
        """
        Return the context in which the policy of this edge chooses an arm.

        :param now_s: clock time.
        :param is_look: whether the frame does not go there. Its arms then count as in the middle of their streams.
        """
        return self.selector.context(
            frame=frame.sequence,
            key_frame=frame.scoring,
            deadline_s=frame.deadline_s,
            waited_s=frame.delays.slot if is_look else max(0.0, now_s - frame.arrival.received_s),
            fidelity_price_s=frame.settings.fidelity_price_s,
            now_s=now_s,
            edge_available=available.obstacle is None,
            link_free=available.link_free and not available.paced,
            link_busy=available.link_busy,
            has_picture=frame.image.is_forwardable,
            keys_due=None if is_look else self._keys_due(frame),
        )

    def _keys_due(self, frame: Frame) -> BoolArray | None:
        table = self.selector.table
        if not table.key_bytes.any():
            return None
        self.streams.follow(table, self.uplink.edge_session, frame.image.pixels.shape)
        return self.streams.keys_due(frame.image)

    def forget(self) -> None:
        """Forget what was measured of this start of the edge, because it is gone."""
        self.answers, self.measured_s = 0, math.nan

    def learn(self, measured: Measured) -> None:
        """Update the running mean from an answer."""
        request, seen = measured.request, measured.observation
        if request.key.kind is not Kind.FRAME and measured.feedback.is_ok:
            self.answers += 1
            self.look_s = measured.request.answered_s - measured.request.sent_s
        if seen is None or request.context is None or request.arm < 0 or not math.isfinite(seen.offload_s):
            return
        total_s = float(request.context.cost_s[request.arm]) + seen.offload_s
        mean_s = total_s if math.isnan(self.measured_s) else self.measured_s
        self.measured_s = mean_s + NEWEST * (total_s - mean_s)

    def expected_s(self, choice: Choice, context: Context) -> float:
        """
        Return the expected seconds for a frame with the policy's choice, with its penalty; NaN if they are unknown.

        The robot's own stages count as the arm table has them, because each policy has its own view of them. Frames
        beyond the rate that the edge promised stay on the robot, and count with its delay.
        """
        on_device_s = float(context.cost_s[context.on_device])
        if choice.arm == context.on_device:
            return on_device_s
        total_s = float(context.cost_s[choice.arm]) + choice.predicted_offload_s
        if math.isnan(total_s):
            total_s = self.measured_s
        rate = self.uplink.pacer.rate
        if rate <= 0.0 or context.period_s <= 0.0:
            return total_s
        share = min(1.0, rate * context.period_s)
        return share * total_s + (1.0 - share) * on_device_s
