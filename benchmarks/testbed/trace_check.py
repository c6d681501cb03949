# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Check of the replay: a sender that keeps the link busy must get the recorded bytes through in every second."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from neurosurgeon_ros.simulation.link_files import ROW_S
from testbed.bulk import FRAME_BYTES
from testbed.forwarder import Counts
from testbed.link_queue import Capacity
from testbed.network import ADDRESSES, Side
from testbed.processes import HOME
from testbed.trace_network import TraceNetwork
from testbed.traces import Trace

#: The sender's rate, relative to the recording's maximum.
_SURPLUS = 1.3
#: Tolerance of the bytes in a window of one second, in addition to two packets, and of all bytes.
_WINDOW_TOLERANCE, _TOTAL_TOLERANCE = 0.03, 0.01
_EDGE = ADDRESSES["edge"].split("/")[0]


@dataclass(frozen=True, slots=True)
class Check:
    """
    Bytes that got through the link, beside those of the recording.

    :param expected: bytes of the recording in each second.
    :param received: bytes that arrived in each second.
    """

    expected: tuple[float, ...]
    received: tuple[int, ...]

    @property
    def worst(self) -> float:
        """Return the largest difference in a second, beyond two packets, as a share of the recorded bytes."""
        shares = []
        for expected, received in zip(self.expected, self.received, strict=True):
            beyond = max(0.0, abs(received - expected) - 2.0 * FRAME_BYTES)
            shares.append(beyond / max(expected, FRAME_BYTES))
        return max(shares)

    @property
    def total(self) -> float:
        """Return all received bytes as a share of the recorded bytes."""
        return sum(self.received) / sum(self.expected)

    @property
    def is_good(self) -> bool:
        """Return whether the replay is within the tolerance."""
        return self.worst <= _WINDOW_TOLERANCE and abs(self.total - 1.0) <= _TOTAL_TOLERANCE


def check_trace(trace: Trace, network: TraceNetwork) -> tuple[Check, Counts]:
    """Replay a link once under a sender that keeps it busy. Returns the bytes, and the link's own counts."""
    network.set_rate(trace.usual_mbps)
    receiver = _start(network, Side.EDGE, "receive", _EDGE)
    assert receiver.stdout is not None
    receiver.stdout.readline()
    sender = _start(network, Side.ROBOT, "send", _EDGE, f"{_SURPLUS * max(trace.mbps):.3f}")
    try:
        while not network.counts().dropped:  # the queue is full once it drops packets
            time.sleep(0.01)
        begin_s = network.replay(trace)
        time.sleep(max(0.0, begin_s + trace.seconds - time.monotonic()))
        counts = network.counts()
    finally:
        sender.communicate()
        said, _ = receiver.communicate()
    return compare(trace, json.loads(said), begin_s), counts


def compare(trace: Trace, arrivals_s: Sequence[float], begin_s: float) -> Check:
    """
    Compare arrivals with a recording, in windows of one second.

    :param arrivals_s: monotonic time of each arrival of :data:`FRAME_BYTES`, in order.
    :param begin_s: monotonic time at which the replay began.
    """
    capacity, windows = Capacity(trace.mbps, ROW_S), int(trace.seconds)
    passed = [capacity.passed(float(second)) for second in range(windows + 1)]
    arrived = [bisect_left(arrivals_s, begin_s + second) for second in range(windows + 1)]
    return Check(
        expected=tuple(passed[k + 1] - passed[k] for k in range(windows)),
        received=tuple(FRAME_BYTES * (arrived[k + 1] - arrived[k]) for k in range(windows)),
    )


def in_words(trace: Trace, check: Check, counts: Counts) -> str:
    """Return the result in one line."""
    median, high, most = counts.late_ms
    return (
        f"{trace.name}: {sum(check.received) / 1e6:.2f} of {sum(check.expected) / 1e6:.2f} MB in {len(check.expected)} "
        f"s ({100.0 * check.total:.2f} %), worst second {100.0 * check.worst:.1f} % off beyond two packets; packets "
        f"{median:.2f} ms late, p99 {high:.2f}, at most {most:.2f}: {'good' if check.is_good else 'NOT GOOD'}"
    )


def _start(network: TraceNetwork, side: Side, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        network.command(side, [sys.executable, "-m", "testbed.bulk", *argv]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=HOME,
    )
