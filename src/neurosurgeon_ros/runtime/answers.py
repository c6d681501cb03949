# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each accepted frame's one answer and one decision, also when its way failed."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.runtime.breaker import Circuit
from neurosurgeon_ros.runtime.decision import (
    Arrival,
    Counts,
    Decision,
    Delays,
    FrameResult,
    Outcome,
    RobotSettings,
    Sink,
)
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.strategy import Strategy


class Answers:
    """Hands results to the sink, in the frames' order. Owned by one thread."""

    def __init__(self, sink: Sink, engine: Engine) -> None:
        self._sink = sink
        self._engine = engine
        self._answered: FrameResult | None = None
        self._decided = 0

    def answer(self, result: FrameResult) -> None:
        """Hand out a frame's detections."""
        self._answered = result
        self._sink.detections(result)

    def decide(self, decision: Decision) -> None:
        """Hand out what was chosen for it."""
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
        strategy: Strategy,
        settings: RobotSettings,
        circuit: Circuit,
    ) -> None:
        """
        Give a frame whose way failed what it still lacks.

        That is its detections, by the whole network here or, if that fails too, none; and its decision.

        :param reason: what failed, in one sentence.
        :param now_s: on the clock.
        """
        result = self._answered
        if result is None or result.sequence != counts.accepted:
            detections, reason = self._detect_somehow(image, settings, reason)
            result = FrameResult(
                header=arrival.header,
                sequence=counts.accepted,
                detections=detections,
                outcome=Outcome.FALLBACK,
                arm=strategy.table.arms[strategy.table.on_device].name,
                total_s=now_s - arrival.received_s,
                image=image,
            )
            self.answer(result)
        if self._decided == counts.accepted:
            return
        table = strategy.table
        self.decide(
            Decision(
                header=arrival.header,
                sequence=counts.accepted,
                policy=strategy.policy_name,
                arm=result.arm,
                partition_point=table.arms[table.index(result.arm)].point,
                key_frame=False,
                similarity=0.0,
                forced=False,
                predicted_robot_s=math.nan,
                predicted_offload_s=math.nan,
                delays=Delays(total=result.total_s),
                outcome=result.outcome,
                detections=len(result.detections),
                counts=counts,
                reason=reason,
                circuit=circuit,
            )
        )

    def _detect_somehow(self, image: NDArray[np.uint8], settings: RobotSettings, reason: str) -> tuple[Detections, str]:
        model = self._engine.model
        try:
            x, letterbox = model.preprocess(image)
            outputs = self._engine.partitioned.run_whole(x)
            found = model.postprocess(outputs, letterbox, confidence=settings.confidence, iou=settings.iou)
        except Exception as problem:  # the network itself fails on this image
            nothing = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))
            return nothing, f"{reason}; then the whole network failed: {type(problem).__name__}: {problem}"
        return found, reason
