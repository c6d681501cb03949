# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A recorded link between two network namespaces, where the machine allows it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from testbed import network
from testbed.network import PREFIX, NetworkProblem, Side
from testbed.trace_network import TraceNetwork
from testbed.traces import Trace

_SEND = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for _ in range(20):
        sender.sendto(bytes(1000), ("198.18.7.2", 9))
"""


@pytest.fixture
def spaces() -> Iterator[TraceNetwork]:
    try:
        with TraceNetwork() as made:
            yield made
    except NetworkProblem as problem:
        pytest.skip(f"needs root, iproute2 and tun: {problem}")


def send(spaces: TraceNetwork) -> None:
    subprocess.run(spaces.command(Side.ROBOT, [sys.executable, "-c", _SEND]), check=True)


def test_packets_pass_and_are_counted_since_the_last_call(spaces: TraceNetwork) -> None:
    spaces.set_rate(None)
    spaces.counts()
    before = spaces.wire_bytes()
    send(spaces)
    counts = spaces.counts()
    assert counts.passed_bytes > 20_000
    assert spaces.wire_bytes() - before > 20_000
    assert spaces.counts().passed_bytes < 20_000


def test_nothing_passes_in_an_outage_and_a_full_queue_drops(spaces: TraceNetwork) -> None:
    spaces.set_rate(None)
    send(spaces)  # and look for the neighbour's address
    spaces.replay(Trace("outage", (0.0,) * 6000 + (1.0,)))
    for _ in range(3):
        send(spaces)
    counts = spaces.counts()
    assert counts.passed == 0
    assert counts.dropped >= 10, "47 of 60 packets fit into the queue"


def test_nothing_is_left_at_the_end(spaces: TraceNetwork) -> None:
    spaces.close()
    name = f"{PREFIX}{os.getpid()}"
    assert name not in network.run("ip", "netns", "list")
    assert name not in network.run("ip", "link")
    spaces.close()


def test_a_device_that_cannot_be_made_is_a_problem_in_words(spaces: TraceNetwork) -> None:
    del spaces
    with (
        pytest.raises(NetworkProblem, match="TAP devices cannot be created"),
        TraceNetwork("nsb99999999999999999") as made,
    ):
        made.counts()
