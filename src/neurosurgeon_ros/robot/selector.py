# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arm selection: a policy, the arms that it chooses from, and the rules that apply to every policy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.calibration.pruning import fidelity_penalty_s
from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.codecs.camera import may_show, sendable_size
from neurosurgeon_ros.codecs.streams.video.received.chain import VideoChain
from neurosurgeon_ros.learning.interface import HOPELESS_DEADLINES, BoolArray, Choice, Context, Policy, Truth
from neurosurgeon_ros.robot.arm_statistics import ArmStatistics
from neurosurgeon_ros.robot.arrival import Arrival


@dataclass(frozen=True, slots=True, eq=False)
class ArmSelector:
    """
    Chooses the arm of each frame.

    :param policy: chooses from the arms of `table`, and has learnt about no others.
    :param policy_name: the policy's registered name, reported in decisions.
    :param statistics: statistics of the arms of `table`.
    """

    table: ArmTable
    policy: Policy
    policy_name: str
    statistics: ArmStatistics

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
        has_picture: bool = False,
        keys_due: BoolArray | None = None,
    ) -> Context:
        """
        Return the context in which the policy chooses an arm for one frame.

        :param frame: number of the accepted frame.
        :param key_frame: whether the frame is a key frame; evaluated only if a policy needs it.
        :param waited_s: seconds of its deadline that the frame has already waited.
        :param edge_available: whether an edge may be used; if not, only `on_device` is allowed.
        :param link_free: whether no earlier request can still fill the link; if not, only `on_device` is allowed.
        :param link_busy: whether any request of this robot is outstanding.
        :param has_picture: whether what the camera sent may be sent as received.
        :param keys_due: arms with which the frame would be a stream's key; shape (n,). None if no codec has memory.
        """
        table = self.table
        allowed = self.allowed(has_picture)
        if not (edge_available and link_free):
            allowed = np.zeros_like(allowed)
            allowed[table.on_device] = True
        return Context(
            frame=frame,
            robot_s=self.statistics.robot_s,
            features=self.statistics.features,
            decode_s=table.decode_s,
            point=table.point,
            allowed=allowed,
            on_device=table.on_device,
            key_frame=key_frame,
            now_s=now_s,
            period_s=self.statistics.period_s,
            deadline_s=deadline_s,
            waited_s=waited_s,
            edge_available=edge_available,
            link_busy=link_busy,
            penalty_s=fidelity_penalty_s(table.fidelity, fidelity_price_s),
            finish_s=self.statistics.finish_s,
            key_bytes=0.0 if keys_due is None else np.where(keys_due, self.statistics.excess_key_bytes, 0.0),
            sample_key_bytes=0.0 if keys_due is None else self.statistics.excess_key_bytes,
        )

    def camera_image(self, arrival: Arrival, pixels: NDArray[np.uint8]) -> CameraImage:
        """Return a frame's image, with what the camera sent if that may be sent. Record its size and bytes."""
        height, width = pixels.shape[:2]
        self.statistics.set_image_size(width * height)
        arm, data = self.table.as_received, arrival.encoded
        if arm is None or data is None:
            return CameraImage(pixels)
        if isinstance(data, VideoChain):
            self.statistics.record_received_video(arm, data)
            return CameraImage(pixels, video=data)
        stored = sendable_size(data)
        if stored is None or not may_show(stored, (width, height)):
            return CameraImage(pixels)
        self.statistics.record_received_bytes(arm, data.nbytes)
        return CameraImage(pixels, data)

    def allowed(self, has_picture: bool) -> BoolArray:
        """
        Return which arms are allowed for one frame; shape (n,).

        :param has_picture: as in :meth:`context`.
        """
        as_received = self.table.as_received
        if has_picture or as_received is None:
            return self.table.allowed
        allowed = self.table.allowed.copy()
        allowed[as_received] = False
        return allowed

    def choose(self, context: Context, *, has_picture: bool = False) -> tuple[Choice, str]:
        """
        Let the policy choose, and enforce the rules that apply to every policy.

        :param has_picture: the same value as for the context.
        :returns: the choice to follow, and one sentence that says why it is not the policy's; empty if it is.
        """
        choice, reason = enforce(self.policy.select(context), context, lambda arm: self.table.arms[arm].name)
        sample = choice.sample_arm
        if sample is not None and (
            sample == context.on_device
            or context.point[sample] > context.point[choice.arm]  # the front-end does not compute its tensors
            or not self.allowed(has_picture)[sample]
        ):
            choice = replace(choice, sample_arm=None)
        return choice, reason

    def test_arm(self, has_picture: bool) -> int | None:
        """
        Return the arm with the fewest bytes, to test the edge with; None if only `on_device` is allowed.

        :param has_picture: as in :meth:`context`.
        """
        offloading = self.allowed(has_picture).copy()
        offloading[self.table.on_device] = False
        if not offloading.any():
            return None
        return int(np.argmin(np.where(offloading, self.statistics.sample_bytes, np.inf)))

    def followed_by(self, table: ArmTable, policy: Policy, policy_name: str) -> ArmSelector:
        """Return a selector with another policy and its arms, for the same camera."""
        return ArmSelector(table, policy, policy_name, self.statistics.for_table(table))


def enforce(choice: Choice, context: Context, name: Callable[[int], str]) -> tuple[Choice, str]:
    """
    Keep the frame on the robot if the policy's choice is not allowed or is hopeless.

    :param name: returns the human-readable name of an arm.
    :returns: the choice to follow, and one sentence that says why it is not the policy's; empty if it is.
    """
    arm, reason = choice.arm, ""
    optimistic_s = float(context.robot_s[arm]) + choice.optimistic_offload_s
    if arm != context.on_device and not context.allowed[arm]:
        reason = f"{name(arm)} may not be chosen"
    elif arm != context.on_device and optimistic_s > HOPELESS_DEADLINES * context.deadline_s:
        reason = f"{name(arm)} would take over {HOPELESS_DEADLINES:.0f} deadlines even at best"
    if reason:
        choice = replace(choice, arm=context.on_device, predicted_offload_s=math.nan)
    return choice, reason
