# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counts what happened to each image, from camera stamps and a reliable subscriber, without trusting the robot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from vision_msgs.msg import Detection2DArray

from benchmarks.faults.stage.camera import Key, Shown
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True, slots=True)
class Published:
    """Received detections, with the time in monotonic seconds."""

    key: Key
    at_s: float


@dataclass(frozen=True, slots=True)
class Decided:
    """A received decision, with the time in monotonic seconds."""

    key: Key
    session: int
    accepted: int
    outcome: Outcome
    at_s: float


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Counts of what happened to the frames of one interval.

    :param delays_s: delay of each frame from the camera's publishing to the subscriber, seconds. Shape (published,).
    """

    accepted: int
    published: int
    lost: int
    duplicated: int
    out_of_order: int
    delays_s: np.ndarray

    def delay_s(self, quantile: float) -> float:
        """Return a quantile of the delays in seconds; NaN if there are none."""
        return float(np.quantile(self.delays_s, quantile)) if len(self.delays_s) else float("nan")


class Counter:
    """Receives one robot's detections and decisions. Its callbacks run in the executor of the node."""

    def __init__(self, node: Node, *, robot: str = "robot_node", detections: str = "detections") -> None:
        self.published: list[Published] = []
        self.decided: list[Decided] = []
        self._condition = threading.Condition()
        self.subscriptions = (
            node.create_subscription(Detection2DArray, detections, self._on_detections, RELIABLE),
            node.create_subscription(PartitionDecision, f"{robot}/decision", self._on_decision, qos.DECISION),
        )

    def wait_for(self, condition: Callable[[], object], timeout_s: float) -> bool:
        """Wait until a condition is true, and return True; return False if it is not true in time."""
        end_s = time.monotonic() + timeout_s
        with self._condition:
            # Checked at intervals even without a message: the condition may be that a process has ended.
            while not condition():
                if time.monotonic() >= end_s:
                    return False
                self._condition.wait(min(0.2, max(0.0, end_s - time.monotonic())))
            return True

    @property
    def surplus(self) -> int:
        """Return detections minus decisions received; the difference changes while a frame is between the two."""
        return len(self.published) - len(self.decided)

    def mark(self) -> tuple[int, int]:
        """Return the start of an interval for :meth:`tally`. No frame may be under way."""
        return len(self.published), len(self.decided)

    def wait_for_silence(self, seconds: float) -> None:
        """Wait until nothing has arrived for some seconds."""
        while True:
            heard = self.mark()
            if not self.wait_for(lambda heard=heard: self.mark() != heard, seconds):
                return

    def tally(self, since: tuple[int, int], shown: Sequence[Shown], stops: Sequence[tuple[float, float]] = ()) -> Tally:
        """
        Count what arrived since a mark. No frame may be under way.

        :param shown: all images of the camera.
        :param stops: intervals in which the robot's process was stopped, monotonic seconds; delays do not include them.
        """
        published, decided = self.published[since[0] :], self.decided[since[1] :]
        sessions = {one.session for one in decided}
        accepted = 0
        for session in sessions:
            before = [one.accepted for one in self.decided[: since[1]] if one.session == session]
            now = [one.accepted for one in decided if one.session == session]
            accepted += max(now) - max(before, default=0)
        numbers = {image.key: image for image in shown}
        seen: set[Key] = {one.key for one in self.published[: since[0]]}
        duplicated = out_of_order = 0
        last = -1
        fresh: set[Key] = set()
        delays = []
        for one in published:
            image = numbers.get(one.key)
            if image is None or one.key in seen:
                duplicated += 1
                continue
            seen.add(one.key)
            fresh.add(one.key)
            out_of_order += image.number < last
            last = max(last, image.number)
            stopped_s = sum(max(0.0, min(end, one.at_s) - max(begin, image.at_s)) for begin, end in stops)
            delays.append(one.at_s - image.at_s - stopped_s)
        # A frame with a decision and no detections is lost, even if another frame was published twice.
        undetected = len({one.key for one in decided} - fresh)
        lost = max(accepted - len(fresh), undetected, 0)
        return Tally(accepted, len(published), lost, duplicated, out_of_order, np.array(delays))

    def _on_detections(self, message: Detection2DArray, info: Mapping[str, int]) -> None:
        # The time of arrival, not of this callback: this process is also the camera and the link, and may be late.
        at_s = time.monotonic() - (time.time() - 1e-9 * info["received_timestamp"])
        with self._condition:
            self.published.append(Published(_key(message), at_s))
            self._condition.notify_all()

    def _on_decision(self, message: PartitionDecision) -> None:
        with self._condition:
            self.decided.append(
                Decided(
                    _key(message), message.session, message.frames_accepted, Outcome(message.outcome), time.monotonic()
                )
            )
            self._condition.notify_all()


def _key(message: Detection2DArray | PartitionDecision) -> Key:
    stamp = message.header.stamp
    return Key(stamp.sec * 1_000_000_000 + stamp.nanosec, message.header.frame_id)
