# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Result delivery: one result and one decision for each accepted frame, even if its processing failed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.robot.arrival import Arrival, Counts
from neurosurgeon_ros.robot.decision import Decision, Delays, FrameResult, Outcome, RobotSettings, Sink
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.uplink.breaker import Circuit


class ResultDelivery:
    """Passes results to the sink in frame order. Owned by one thread."""

    def __init__(self, sink: Sink, engine: Engine) -> None:
        self._sink = sink
        self._engine = engine
        self._newest: FrameResult | None = None
        self._decided = 0

    def deliver(self, result: FrameResult) -> None:
        """Deliver a frame's detections."""
        self._newest = result
        self._sink.detections(result)

    def decide(self, decision: Decision) -> None:
        """Deliver a frame's decision."""
        self._decided = decision.sequence
        self._sink.decision(decision)

    def rescue(
        self,
        arrival: Arrival,
        image: NDArray[np.uint8],
        counts: Counts,
        reason: str,
        *,
        now_s: float,
        selector: ArmSelector,
        settings: RobotSettings,
        circuit: Circuit,
    ) -> None:
        """
        Deliver the missing results of a frame whose processing failed.

        These are its detections and its decision. The detections come from the whole network on the robot; they are
        empty if that fails too.

        :param reason: what failed, in one sentence.
        :param now_s: current clock time.
        """
        table, result = selector.table, self._newest
        if result is None or result.sequence != counts.accepted:
            detections, reason = self._detect_or_nothing(image, settings, reason)
            result = FrameResult(
                header=arrival.header,
                sequence=counts.accepted,
                detections=detections,
                outcome=Outcome.FALLBACK,
                arm=table.arms[table.on_device].name,
                total_s=now_s - arrival.received_s,
                image=image,
            )
            self.deliver(result)
        if self._decided != counts.accepted:
            self.decide(
                Decision(
                    header=arrival.header,
                    sequence=counts.accepted,
                    policy=selector.policy_name,
                    arm=result.arm,
                    partition_point=table.arms[table.index(result.arm)].point,
                    delays=Delays(total=result.total_s),
                    outcome=result.outcome,
                    detections=len(result.detections),
                    counts=counts,
                    reason=reason,
                    circuit=circuit,
                )
            )

    def _detect_or_nothing(
        self, image: NDArray[np.uint8], settings: RobotSettings, reason: str
    ) -> tuple[Detections, str]:
        model = self._engine.model
        try:
            x, letterbox = model.preprocess(image)
            outputs = self._engine.partitioned.run_whole(x)
            found = model.postprocess(outputs, letterbox, confidence=settings.confidence, iou=settings.iou)
        except Exception as problem:  # the network itself fails on this image
            nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
            return nothing, f"{reason}; then the whole network failed: {type(problem).__name__}: {problem}"
        return found, reason
