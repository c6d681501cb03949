# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon doctor`` on the robot's side of a link between two network namespaces, where a fault is staged."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from staged_doctor import CAMERA, EDGE, ROBOT, Diagnosis, diagnose
from support import Process, Processes
from testbed.network import ADDRESSES, NamespaceNetwork, NetworkProblem, Side, run

from benchmarks.faults.clock import DAY_S, set_wall_clock, wall_clock_environment

pytestmark = pytest.mark.full

#: Multicast packets from other machines.
FROM_OUTSIDE = ("-d", "239.0.0.0/8", "!", "-i", "lo")


@pytest.fixture
def network() -> Iterator[NamespaceNetwork]:
    with ExitStack() as stack:
        try:
            network = stack.enter_context(NamespaceNetwork())
        except NetworkProblem as problem:
            pytest.skip(f"needs root and iproute2: {problem}")
        yield network


class Stage:
    """A robot and its camera on one side of the link, an edge on the other."""

    def __init__(self, network: NamespaceNetwork, processes: Processes, folder: Path) -> None:
        self.network, self._processes, self._folder = network, processes, folder

    def start(self, side: Side, words: Sequence[str], **environment: str) -> Process:
        command = self.network.command(side, words)
        return self._processes.start(*command, environment={**self.network.environment(), **environment})

    def start_all(self) -> Process:
        """Start robot, camera and edge, and wait until they have met; return the camera."""
        self.start(Side.EDGE, EDGE)
        camera = self.start(Side.ROBOT, CAMERA)
        self.start(Side.ROBOT, ROBOT).wait_for_output("uses the edge")
        return camera

    def diagnose(self, *options: str) -> Diagnosis:
        found = diagnose(
            self._processes,
            self._folder,
            *options,
            command=functools.partial(self.network.command, Side.ROBOT),
            environment=self.network.environment(),
        )
        print(found.screen)
        return found


@pytest.fixture
def stage(network: NamespaceNetwork, processes: Processes, tmp_path: Path) -> Stage:
    return Stage(network, processes, tmp_path)


def test_a_good_link_is_well_then_losses_and_a_low_rate_are_named(stage: Stage) -> None:
    if shutil.which("iptables") is None:
        pytest.skip("iptables, which loses packets here, is not installed")
    camera = stage.start_all()
    found = stage.diagnose()
    assert found.wrong == [], found.screen
    assert "(this machine)" in found.what("discovery") and "(another machine)" in found.what("discovery")
    assert found.what("link loss") == "0 of 150 probes to the edge, 0 of 225 answers"

    stage.network.set_loss(0.05)
    found = stage.diagnose()
    assert found.wrong == ["link loss"], found.screen
    lost, _, sent, *_ = found.what("link loss").split(": ")[1].split()
    assert 2 <= int(lost) <= 18 and int(sent) == 150, found.screen

    # The robot's frames fill the link, so that larger probes may not get through.
    stage.network.set_loss(0.0)
    stage.network.set_rate(0.5)
    found = stage.diagnose()
    assert found.wrong == ["link rate"], found.screen

    camera.end()
    found = stage.diagnose()
    assert found.wrong == ["images", "link rate"], found.screen
    assert 0.3 <= float(found.what("link rate").split()[0]) <= 0.7


def test_a_wrong_domain_is_named(stage: Stage) -> None:
    stage.start(Side.EDGE, EDGE, ROS_DOMAIN_ID="42").wait_for_output("back-ends")
    stage.start(Side.ROBOT, ROBOT).wait_for_output("on the device")
    found = stage.diagnose()
    assert found.wrong[0] == "domain", found.screen
    assert found.what("domain") == "the edge /edge_node is in domain 42, and this command is in domain 7"
    assert found.findings["discovery"]["state"] == "skipped"


def test_blocked_multicast_is_named(stage: Stage) -> None:
    for side in Side:
        run(*stage.network.command(side, ("iptables", "-w", "-A", "INPUT", *FROM_OUTSIDE, "-j", "DROP")))
    stage.start(Side.EDGE, EDGE).wait_for_output("back-ends")
    stage.start(Side.ROBOT, ROBOT).wait_for_output("on the device")
    found = stage.diagnose("--peer", ADDRESSES["edge"].split("/")[0])
    assert found.wrong[0] == "discovery", found.screen
    assert found.what("discovery") == "multicast is blocked: the edge /edge_node answered to unicast only"


def test_a_clock_that_is_a_day_off_is_named(stage: Stage, tmp_path: Path) -> None:
    environment = wall_clock_environment(tmp_path)
    if environment is None:
        pytest.skip("needs a C compiler for the library that shifts the clock")
    set_wall_clock(tmp_path, DAY_S)
    stage.start(Side.EDGE, EDGE, **environment)
    stage.start(Side.ROBOT, CAMERA)
    stage.start(Side.ROBOT, ROBOT).wait_for_output("uses the edge")
    found = stage.diagnose()
    assert found.wrong == ["clocks"], found.screen
    assert found.what("clocks") == "the edge's clock is 1.0 days ahead of this machine's"
