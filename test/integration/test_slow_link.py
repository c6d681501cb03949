# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A message on a link that is too slow for it. Fast DDS sends its fragments again and again, up to its lifespan."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support import Processes, wait_for
from testbed.network import NetworkProblem, Side
from testbed.trace_network import TraceNetwork

SCRIPT = Path(__file__).parents[1] / "slow_link.py"
SIZE, LIFESPAN_S = 64_000, 1.0


@pytest.fixture
def network() -> Iterator[TraceNetwork]:
    with ExitStack() as stack:
        try:
            network = stack.enter_context(TraceNetwork())
        except NetworkProblem as problem:
            pytest.skip(f"needs root, iproute2 and tun: {problem}")
        yield network


def dropped_in_a_second(network: TraceNetwork) -> int:
    network.counts()
    threading.Event().wait(1.0)
    return network.counts().dropped


def test_a_message_that_is_too_large_for_the_link_fills_it_for_its_lifespan_only(
    network: TraceNetwork, processes: Processes
) -> None:
    network.set_rate(20.0)
    publisher, subscriber = (
        processes.start(*network.command(side, [sys.executable, str(SCRIPT), *argv]), environment=network.environment())
        for side, argv in ((Side.ROBOT, ("publish", str(SIZE), str(LIFESPAN_S))), (Side.EDGE, ("subscribe",)))
    )
    for end in (publisher, subscriber):
        end.wait_for_output("matched")
    network.set_rate(0.05)
    network.counts()
    publisher.send(signal.SIGUSR1)
    wait_for(lambda: network.counts().dropped, 10.0, "a full queue")
    wait_for(lambda: dropped_in_a_second(network) == 0, 20.0, "a link that is free again")

    network.set_rate(20.0)
    publisher.send(signal.SIGUSR1)
    subscriber.wait_for_output(f"received {SIZE} bytes", 20.0)
