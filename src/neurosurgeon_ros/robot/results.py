# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Result delivery: one result and one decision of each accepted frame, also where its processing failed."""

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
    """Hands results to the sink, in the frames' order. Owned by one thread."""

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
        """Deliver what was chosen for it."""
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
        Deliver what a frame whose processing failed still lacks.

        That is its detections, by the whole network here or, if that fails too, none; and its decision.

        :param reason: what failed, in one sentence.
        :param now_s: on the clock.
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
