# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's conversation with its edge: what was asked, what came back, and what that tells about delays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import Kind, Observation
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.runtime.decision import Uplink
from neurosurgeon_ros.runtime.inbox import Inbox
from neurosurgeon_ros.runtime.protocol import Feedback, Key, Request, Status
from neurosurgeon_ros.runtime.transfers import SHORTEST_S, Transfer, Transfers

#: Answered frames of which it is remembered when they were at the edge.
_MOST_PASSED = 8


@dataclass(frozen=True, slots=True, eq=False)
class Awaited:
    """
    How waiting for a frame's detections ended.

    :param detections: None if there are none.
    :param reason: why there are none, in one sentence.
    :param missed: the deadline came first, which bounds the delay from below.
    """

    detections: Detections | None = None
    reason: str = ""
    missed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """
    One answered request.

    :param observation: what the policy may learn from it; None if the edge refused it, or another policy chose it.
    """

    transfer: Transfer
    feedback: Feedback
    observation: Observation | None


@dataclass(frozen=True, slots=True)
class _Passed:
    """When a frame had reached the edge, if answers take no time, and when its answer came; seconds on the clock."""

    reached_s: float
    answered_s: float


class Conversation:
    """
    Owned by the robot's worker, but for the inbox, into which other threads put.

    :ivar strays: answers that matched no outstanding request, or came twice.
    """

    def __init__(self, uplink: Uplink, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.inbox = Inbox(clock)
        self.transfers = Transfers()
        self.strays = 0
        self._uplink = uplink
        self._clock = clock
        self._closed = False
        self._awaited: set[Key] = set()
        self._passed: dict[Key, _Passed] = {}
        self._detections: dict[Key, tuple[float, Detections]] = {}
        self._feedback: dict[Key, tuple[float, Feedback]] = {}

    def send(self, request: Request, arm: int, *, patience_s: float = SHORTEST_S, awaited: bool = False) -> Transfer:
        """
        Publish a request.

        :param arm: -1 for a probe or a test, of which the policy learns what the link took for so many bytes.
        :param patience_s: it is not given up sooner than after so many seconds.
        :param awaited: its detections are going to be waited for, and what it teaches is left until then.
        """
        transfer = self.transfers.send(
            request.key,
            arm=arm,
            sent_bytes=request.payload_bytes,
            now_s=self._clock(),
            patience_s=patience_s,
        )
        if awaited:
            self._awaited.add(request.key)
        self._uplink.publish(request)
        return transfer

    def close(self) -> None:
        """Let whoever waits for an answer go without it, from now on; called from any thread."""
        self._closed = True
        self.inbox.ring()

    def await_detections(self, transfer: Transfer, until_s: float) -> Awaited:
        """
        Wait for the detections of a frame, until they or a refusal come, the edge is gone, or it is too late.

        :param until_s: the deadline on the clock.
        """
        self.is_settled(transfer, until_s, lambda: False)
        self._awaited.discard(transfer.key)
        return self._look(transfer.key, until_s) or Awaited(reason="the edge did not answer by the deadline")

    def is_answered(self, transfer: Transfer, until_s: float = 0.0) -> bool:
        """
        Whether a frame's detections are there.

        :param until_s: wait for them until then, on the clock.
        """
        self._sort(0.0)
        while transfer.key not in self._detections and self._clock() < until_s:
            self._sort(until_s)
        return transfer.key in self._detections

    def let_go(self, sequence: int) -> None:
        """Wait no more for a frame whose way has failed; its answer still teaches."""
        self._awaited = {key for key in self._awaited if key.sequence != sequence}

    def is_settled(self, transfer: Transfer, until_s: float, interrupted: Callable[[], bool]) -> bool:
        """
        Wait until a frame need not be waited for any more, as :meth:`await_detections`.

        :param interrupted: asked whenever the inbox's bell rings.
        :returns: False if `interrupted` said so first.
        """
        self._sort(0.0)
        while self._look(transfer.key, until_s) is None:
            if interrupted():
                return False
            self._sort(until_s)
        return True

    def _look(self, key: Key, until_s: float) -> Awaited | None:
        if key in self._detections:
            return Awaited(self._detections[key][1])
        if key in self._feedback and self._feedback[key][1].status is not Status.OK:
            status, error = self._feedback[key][1].status, self._feedback[key][1].error
            return Awaited(reason=error or f"the edge refused the request ({status.name.lower()})")
        obstacle = "the robot is being stopped" if self._closed else self._uplink.obstacle()
        if obstacle:
            return Awaited(reason=obstacle)
        if self._clock() >= until_s:
            return Awaited(reason="the edge did not answer by the deadline", missed=True)
        return None

    def await_feedback(self, transfer: Transfer, until_s: float) -> None:
        """Wait for the feedback of a frame whose detections are there, or until `until_s`."""
        while transfer.key not in self._feedback and self._clock() < until_s:
            if self._closed or self._uplink.obstacle():
                return
            self._sort(until_s)

    def measured(self, frame: int) -> list[Measured]:
        """
        Take out every request that has been answered since the last call; but for frames that are still waited for.

        Where a frame was sent behind another of ours, the time for which that one held the link and the edge is no
        delay of the link's and the edge's, and is left out.

        :param frame: number of the accepted frame that is being worked on, to tell the observations' age.
        """
        self._sort(0.0)
        measured = []
        for key in [key for key in self._feedback if key not in self._awaited]:
            answered_s, feedback = self._feedback.pop(key)
            answered_s = self._detections.pop(key, (answered_s, None))[0]
            transfer = self.transfers.find(key)
            if transfer is None:
                continue
            if feedback.status is not Status.OK:
                self.transfers.close(key)
                measured.append(Measured(transfer, feedback, None))
                continue
            passed, queue_s = self._pass(transfer, answered_s, feedback), feedback.queue_s
            begin_s, overlapped = transfer.sent_s, transfer.overlapped
            if transfer.behind is not None:
                before = self._passed.get(transfer.behind)
                overlapped |= before is None
                if before is not None:
                    begin_s = min(max(begin_s, before.reached_s), passed.reached_s)
                    queue_s -= min(queue_s, max(0.0, before.answered_s - passed.reached_s))
            transmit_s = max(0.0, passed.reached_s - begin_s)
            offload_s = answered_s - begin_s - (feedback.queue_s - queue_s)
            self.transfers.answer(key, transmit_s)
            if transfer.disowned:
                measured.append(Measured(transfer, feedback, None))
                continue
            observation = Observation(
                arm=transfer.arm,
                sequence=key.sequence,
                kind=key.kind if transfer.arm >= 0 else Kind.PROBE,
                offload_s=offload_s,
                transmit_s=transmit_s,
                queue_s=queue_s,
                decode_s=feedback.decode_s,
                compute_s=feedback.compute_s + feedback.postprocess_s,
                overlapped=overlapped,
                age_frames=max(0, frame - transfer.key.sequence),
                sent_bytes=transfer.sent_bytes,
            )
            measured.append(Measured(transfer, feedback, observation))
        # Detections whose feedback will not come any more.
        for key in [key for key in self._detections if self.transfers.find(key) is None]:
            del self._detections[key]
        return measured

    def _pass(self, transfer: Transfer, answered_s: float, feedback: Feedback) -> _Passed:
        """Note when a request was at the edge, for the frame behind it."""
        passed = _Passed(reached_s=answered_s - feedback.edge_s, answered_s=answered_s)
        if transfer.key.kind is Kind.FRAME:
            self._passed[transfer.key] = passed
            while len(self._passed) > _MOST_PASSED:
                del self._passed[next(iter(self._passed))]
        return passed

    def censored(self, transfer: Transfer) -> Observation:
        """Tell what a missed deadline tells: the delay was at least that long."""
        return Observation(
            arm=transfer.arm,
            sequence=transfer.key.sequence,
            kind=Kind.FRAME,
            offload_s=self._clock() - transfer.sent_s,
            censored=True,
            overlapped=transfer.overlapped,
            sent_bytes=transfer.sent_bytes,
        )

    def fills_link(self, *, frames: int = 1) -> bool:
        """Whether earlier transfers are under way that could still fill the link, as so many frames do."""
        return self.transfers.fills_link(self._clock(), frames=frames)

    def is_open(self) -> bool:
        """Whether anything is under way."""
        return bool(self.transfers.outstanding(self._clock()))

    def disown(self) -> None:
        """Let what was asked so far teach nobody: the policy that asked it is replaced."""
        self.transfers.disown()

    def forget(self) -> None:
        """Give up on everything that was asked: the edge is gone."""
        self.transfers.clear()
        self._passed.clear()
        self._detections.clear()
        self._feedback.clear()

    def _sort(self, until_s: float) -> None:
        """Take answers out of the inbox, and keep those whose key is outstanding, once each."""
        for answer in self.inbox.take(until_s):
            key = answer.key
            transfer = self.transfers.find(key)
            if transfer is None:
                self.strays += 1
            elif answer.feedback is not None and key not in self._feedback:
                self._feedback[key] = (answer.received_s, answer.feedback)
            elif answer.detections is not None and key.kind is Kind.FRAME and key not in self._detections:
                self._detections[key] = (answer.received_s, answer.detections)
                transfer.arrived = True
            else:
                self.strays += 1
