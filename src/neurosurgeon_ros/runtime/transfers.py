# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What of ours is on its way to the edge, and for how long it could still fill the link."""

from __future__ import annotations

from dataclasses import dataclass

from neurosurgeon_ros.learning.interface import Kind
from neurosurgeon_ros.runtime.protocol import Key

#: Bits per second assumed of a link of which nothing is known yet: slow, so that nothing is piled onto it.
UNKNOWN_RATE = 2e6

#: A transfer is given up once this many times its expected duration have passed.
PATIENCE = 3.0

#: Seconds below which no transfer is given up: queueing and the back-end may take so long on their own.
SHORTEST_S = 0.5

#: A sample or a probe that takes the link no longer than this many seconds is in no frame's way.
MOMENT_S = 0.02


@dataclass(slots=True, eq=False)
class Transfer:
    """
    One request that has been published.

    :param arm: the arm it was sent for; -1 for a probe, or a test of the edge, which no policy chose.
    :param sent_s: when it was published, monotonic seconds.
    :param overlapped: another transfer of ours was on its way during this one.
    :param arrived: its detections are back, so that it fills no link any more; its feedback may be on the way.
    :param patience_s: it is not given up sooner than after so many seconds.
    :param behind: the frame that was on its way when this one was sent; None if there was none.
    :param disowned: whoever chose it is gone, so that its delays teach nobody.
    """

    key: Key
    arm: int
    sent_s: float
    sent_bytes: int
    overlapped: bool = False
    arrived: bool = False
    behind: Key | None = None
    disowned: bool = False
    patience_s: float = SHORTEST_S


class Transfers:
    """The transfers that are not answered yet. Owned by one thread."""

    def __init__(self) -> None:
        self._open: dict[Key, Transfer] = {}
        self._rate = UNKNOWN_RATE

    def send(self, key: Key, *, arm: int, sent_bytes: int, now_s: float, patience_s: float = SHORTEST_S) -> Transfer:
        """
        Note what is published now; whatever else is on its way is marked as overlapped, and so is this.

        But frames go one after the other, so that the later one is only noted to be behind the earlier.
        """
        under_way = [other for other in self.outstanding(now_s) if not other.arrived]
        transfer = Transfer(key, arm, now_s, sent_bytes, patience_s=patience_s)
        for other in under_way:
            if key.kind is Kind.FRAME and other.key.kind is Kind.FRAME:
                transfer.behind = other.key
            else:
                transfer.overlapped = other.overlapped = True
        self._open[key] = transfer
        return transfer

    def answer(self, key: Key, transmit_s: float) -> None:
        """
        Take out a transfer that was answered, which also shows the link's rate.

        :param transmit_s: seconds on the link, there and back.
        """
        transfer = self._open.pop(key, None)
        if transfer is not None and transfer.sent_bytes > 0 and transmit_s > 0.0:
            self._rate = 8.0 * transfer.sent_bytes / transmit_s

    def find(self, key: Key) -> Transfer | None:
        """Return the transfer with this key that is not answered, or None."""
        return self._open.get(key)

    def close(self, key: Key) -> None:
        """Take out a transfer that was refused."""
        self._open.pop(key, None)

    def outstanding(self, now_s: float) -> tuple[Transfer, ...]:
        """Everything that is not answered and not given up."""
        for key in [key for key, transfer in self._open.items() if now_s - transfer.sent_s > self._longest_s(transfer)]:
            del self._open[key]
        return tuple(self._open.values())

    def fills_link(self, now_s: float, *, frames: int = 1) -> bool:
        """Whether so many frames, or something else that takes the link more than a moment, are under way."""
        under_way = [transfer for transfer in self.outstanding(now_s) if not transfer.arrived]
        others = [transfer for transfer in under_way if transfer.key.kind is not Kind.FRAME]
        return len(under_way) - len(others) >= frames or any(
            8.0 * transfer.sent_bytes / self._rate > MOMENT_S for transfer in others
        )

    def disown(self) -> None:
        """Let everything that is under way teach nobody; it fills the link all the same."""
        for transfer in self._open.values():
            transfer.disowned = True

    def clear(self) -> None:
        """Forget everything, since the edge that was to answer is gone."""
        self._open.clear()

    def _longest_s(self, transfer: Transfer) -> float:
        slowest = min(self._rate, UNKNOWN_RATE)
        return max(transfer.patience_s, PATIENCE * 8.0 * transfer.sent_bytes / slowest)
