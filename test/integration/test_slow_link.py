# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A message on a link that is too slow for it. Fast DDS sends its fragments again and again, up to its lifespan."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import pytest
from support import wait_for
from testbed.network import NetworkProblem, Side
from testbed.trace_network import TraceNetwork

SCRIPT = Path(__file__).parents[1] / "slow_link.py"
SIZE, LIFESPAN_S = 64_000, 1.0


class End:
    """A process on one side of the link, and what it has printed."""

    def __init__(self, network: TraceNetwork, side: Side, *argv: str) -> None:
        self.printed: list[str] = []
        self._process = subprocess.Popen(
            network.command(side, [sys.executable, str(SCRIPT), *argv]),
            env={**os.environ, **network.environment()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin and self._process.stdout
        self._input: IO[str] = self._process.stdin
        self._reader = threading.Thread(target=self.printed.extend, args=(self._process.stdout,))
        self._reader.start()

    def say(self) -> None:
        self._input.write("\n")
        self._input.flush()

    def close(self) -> None:
        self._input.close()
        self._process.wait(20.0)
        self._reader.join()


@contextmanager
def ends(network: TraceNetwork) -> Iterator[tuple[End, End]]:
    with ExitStack() as stack:
        both = []
        for side, argv in ((Side.ROBOT, ("publish", str(SIZE), str(LIFESPAN_S))), (Side.EDGE, ("subscribe",))):
            both.append(End(network, side, *argv))
            stack.callback(both[-1].close)
        for end in both:
            wait_for(lambda end=end: "matched\n" in end.printed, 30.0, "two ends that have met")  # type: ignore[misc]
        yield both[0], both[1]


def dropped_in_a_second(network: TraceNetwork) -> int:
    network.counts()
    threading.Event().wait(1.0)
    return network.counts().dropped


def test_a_message_that_is_too_large_for_the_link_fills_it_for_its_lifespan_only() -> None:
    with ExitStack() as stack:
        try:
            network = stack.enter_context(TraceNetwork())
        except NetworkProblem as problem:
            pytest.skip(f"needs root, iproute2 and tun: {problem}")
        network.set_rate(20.0)
        publisher, subscriber = stack.enter_context(ends(network))
        network.set_rate(0.05)
        network.counts()
        publisher.say()
        wait_for(lambda: network.counts().dropped, 10.0, "a full queue")
        wait_for(lambda: dropped_in_a_second(network) == 0, 20.0, "a link that is free again")

        network.set_rate(20.0)
        publisher.say()
        wait_for(lambda: f"received {SIZE} bytes\n" in subscriber.printed, 20.0, "the next message")
