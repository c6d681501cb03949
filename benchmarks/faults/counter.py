# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Counts, from camera stamps and by a reliable subscriber, what became of each image; the robot is not believed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from vision_msgs.msg import Detection2DArray

from benchmarks.faults.camera import Key, Shown
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros import qos

RELIABLE = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1000, reliability=ReliabilityPolicy.RELIABLE)


@dataclass(frozen=True, slots=True)
class Published:
    """Detections that came, at monotonic seconds."""

    key: Key
    at_s: float


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision that came."""

    key: Key
    session: int
    accepted: int
    outcome: Outcome
    at_s: float


@dataclass(frozen=True, slots=True)
class Tally:
    """
    What became of the frames of a time.

    :param delays_s: of each frame, from the camera's publishing to the subscriber. Shape (published,).
    """

    accepted: int
    published: int
    lost: int
    duplicated: int
    out_of_order: int
    delays_s: np.ndarray

    def delay_s(self, quantile: float) -> float:
        """Return a quantile of the delays; NaN if there are none."""
        return float(np.quantile(self.delays_s, quantile)) if len(self.delays_s) else float("nan")


class Counter:
    """Listens to one robot's detections and decisions; its callbacks run in the executor of the node."""

    def __init__(self, node: Node, *, robot: str = "robot_node", detections: str = "detections") -> None:
        self.published: list[Published] = []
        self.decided: list[Decided] = []
        self._condition = threading.Condition()
        self.subscriptions = (
            node.create_subscription(Detection2DArray, detections, self._on_detections, RELIABLE),
            node.create_subscription(PartitionDecision, f"{robot}/decision", self._on_decision, qos.DECISION),
        )

    def wait_for(self, condition: Callable[[], object], timeout_s: float) -> bool:
        """Wait until something that was heard makes a condition true; False if it does not in time."""
        end_s = time.monotonic() + timeout_s
        with self._condition:
            # Looked at now and then without news, too: a condition may also be that a process has ended.
            while not condition():
                if time.monotonic() >= end_s:
                    return False
                self._condition.wait(min(0.2, max(0.0, end_s - time.monotonic())))
            return True

    @property
    def surplus(self) -> int:
        """How many more detections than decisions came: it changes by one while a frame is between the two."""
        return len(self.published) - len(self.decided)

    def mark(self) -> tuple[int, int]:
        """Where a time begins that is tallied later; nothing may be under way then."""
        return len(self.published), len(self.decided)

    def tally(self, since: tuple[int, int], shown: Sequence[Shown], stops: Sequence[tuple[float, float]] = ()) -> Tally:
        """
        Count what came since a mark; nothing may be under way.

        :param shown: all images.
        :param stops: times, monotonic seconds, in which the robot's process was stopped: no delay of its making.
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
        # A frame that has a decision and no detections is lost even if another one was published twice.
        undetected = len({one.key for one in decided} - fresh)
        lost = max(accepted - len(fresh), undetected, 0)
        return Tally(accepted, len(published), lost, duplicated, out_of_order, np.array(delays))

    def _on_detections(self, message: Detection2DArray, info: Mapping[str, int]) -> None:
        # When it came, not when this process, which is the camera and the link, too, had time for it.
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
