# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
from pathlib import Path

import pytest
from testbed import network
from testbed.network import PREFIX, NamespaceNetwork, NetworkProblem, Side, abandoned


@pytest.fixture
def spaces():
    """Yield two network namespaces that a link joins; skip the test if the machine does not allow them."""
    try:
        with NamespaceNetwork() as made:
            yield made
    except NetworkProblem as problem:
        pytest.skip(f"needs root and iproute2: {problem}")


def test_only_networks_whose_process_is_gone_are_abandoned():
    names = [f"{PREFIX}11-robot", f"{PREFIX}11-edge", f"{PREFIX}12-robot", "somebody-robot", f"{PREFIX}-edge", "id:"]
    assert abandoned(names, lambda pid: pid == 12) == [f"{PREFIX}11"]


def test_nothing_is_abandoned_while_its_process_lives():
    assert abandoned([f"{PREFIX}{os.getpid()}-robot"], network.is_alive) == []


def test_a_command_that_fails_says_which():
    with pytest.raises(NetworkProblem, match="`false --now` has failed"):
        network.run("false", "--now")


def test_a_command_that_is_not_there_is_a_problem_in_words():
    with pytest.raises(NetworkProblem, match="no-such-command cannot be run"):
        network.run("no-such-command")


def test_each_side_has_its_own_address_and_memory_and_everything_goes_at_the_end(spaces):
    for side, number in ((Side.ROBOT, "198.18.7.1"), (Side.EDGE, "198.18.7.2")):
        script = "ip -4 -o addr; touch /dev/shm/mine; ls /dev/shm"
        said = subprocess.run(spaces.command(side, ["sh", "-c", script]), capture_output=True, text=True, check=True)
        assert number in said.stdout
        assert said.stdout.split()[-1] == "mine"
    spaces.close()
    assert f"{PREFIX}{os.getpid()}" not in network.run("ip", "netns", "list")
    assert not list(Path("/dev/shm").glob(f"{PREFIX}{os.getpid()}-*"))


def test_what_a_killed_process_left_goes_at_the_next_start(spaces):
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    name = f"{PREFIX}{int(ended.stdout)}"
    network.run("ip", "netns", "add", f"{name}-robot")
    assert network.remove_leftovers() == [name]
    assert name not in network.run("ip", "netns", "list")


def test_the_rate_can_change_and_go(spaces):
    for mbps, said in ((4.0, "rate 4Mbit"), (50.0, "rate 50Mbit"), (None, "noqueue"), (1.0, "rate 1Mbit")):
        spaces.set_rate(mbps)
        assert said in spaces._in(Side.ROBOT, "tc", "qdisc", "show", "dev", f"{PREFIX}{os.getpid()}r")


def test_the_interface_counts_what_is_sent(spaces):
    before = spaces.wire_bytes()
    command = [sys.executable, "-c", _SEND]
    subprocess.run(spaces.command(Side.ROBOT, command), check=True)
    assert spaces.wire_bytes() - before >= 10_000


_SEND = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
    for _ in range(10):
        sender.sendto(bytes(1000), ("198.18.7.2", 9))
"""
