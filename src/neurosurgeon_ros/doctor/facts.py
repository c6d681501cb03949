# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What was seen of robot, edge, network and machine. Plain values, gathered once and never changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from neurosurgeon_ros.camera.image_sources import Silence
from neurosurgeon_ros.ros.unheard_peers import Unheard


@dataclass(frozen=True, slots=True)
class Report:
    """
    The newest status of a node on /diagnostics.

    :param level: "ok", "warning" or "error".
    """

    level: str
    message: str
    values: Mapping[str, str] = field(default_factory=dict)


def has_edge(report: Report | None) -> bool:
    """Return whether a robot's report names an edge."""
    return report is not None and report.values.get("edge", "none") != "none"


@dataclass(frozen=True, slots=True)
class RobotFacts:
    """
    An active robot: one that sends hellos.

    :param node: fully qualified name of its node.
    :param model: name of its model.
    :param near: whether it runs on this machine.
    :param clock_ahead_s: its clock minus this machine's, seconds; NaN if unknown.
    :param stamps_behind_s: this machine's clock minus the newest image's stamp, seconds; NaN if unknown.
    """

    node: str
    robot_id: str
    model: str
    fingerprint: str
    near: bool = True
    clock_ahead_s: float = math.nan
    stamps_behind_s: float = math.nan
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class EdgeFacts:
    """
    An active edge: one that sends statuses.

    :param node: fully qualified name of its node.
    :param models: names of the models that it serves, by fingerprint.
    :param near: whether it runs on this machine.
    :param loads: share of time spent on back-ends, in [0, 1], one for each status.
    :param queues: number of requests that wait, one for each status.
    :param requests: requests that came between the first and the last status.
    :param refused: of these, those that were answered with an error.
    :param clock_ahead_s: its clock minus this machine's, seconds; NaN if unknown.
    """

    node: str
    edge_id: str
    models: Mapping[str, str]
    near: bool = True
    loads: tuple[float, ...] = ()
    queues: tuple[int, ...] = ()
    requests: int = 0
    refused: int = 0
    clock_ahead_s: float = math.nan
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class DiscoveryFacts:
    """
    How this command looks for others, and who is there.

    :param domain: ROS domain id of this command.
    :param reach: value of ROS_AUTOMATIC_DISCOVERY_RANGE, or LOCALHOST if ROS_LOCALHOST_ONLY is set.
    :param elsewhere: nodes of this package in other domains, by domain.
    :param announced: addresses of other machines whose announcements came by multicast, in this domain.
    :param asked: addresses that were asked by unicast, because somebody is missing.
    :param by_unicast: nodes of this package that only answered to unicast.
    :param without_multicast: network interfaces that are up and do not carry multicast.
    """

    domain: int
    reach: str = "SUBNET"
    elsewhere: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    announced: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    by_unicast: tuple[str, ...] = ()
    without_multicast: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mismatch:
    """
    A publisher and a subscription of one topic whose qualities of service do not match.

    :param policy: the policy that differs, such as "reliability".
    :param offered: what the publisher offers, such as "best effort".
    :param wanted: what the subscription asks for, such as "reliable".
    """

    topic: str
    publisher: str
    subscriber: str
    policy: str
    offered: str
    wanted: str


@dataclass(frozen=True, slots=True)
class TransportFacts:
    """
    How messages travel.

    :param middleware: name of the RMW implementation.
    :param free_bytes: free shared memory.
    :param unheard: why a discovered node is not heard; None if all are heard.
    :param mismatches: qualities of service that do not match, on the topics of robot and edge.
    :param foreign: one sentence for each node with other message types.
    """

    middleware: str = "rmw_fastrtps_cpp"
    free_bytes: int = 0
    unheard: Unheard | None = None
    mismatches: tuple[Mismatch, ...] = ()
    foreign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """
    What the probe of the link to the edge measured.

    :param rate_bps: bits per second towards the edge; NaN if no large probe was answered.
    :param round_trip_s: median seconds from a small probe to its answer; NaN if none was answered.
    :param sent: probes whose loss would have been seen.
    :param lost: of these, those that did not reach the edge.
    :param answered: answers that the edge has sent.
    :param lost_answers: of these, those that did not come back.
    :param is_unanswered: whether the edge, whose statuses arrive, did not answer this command's hello.
    :param why_not: why the link was not probed; empty if it was.
    """

    rate_bps: float = math.nan
    round_trip_s: float = math.nan
    sent: int = 0
    lost: int = 0
    answered: int = 0
    lost_answers: int = 0
    is_unanswered: bool = False
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """
    This machine's processor. None: the kernel does not show it.

    :param governors: frequency governors in use.
    :param driver: name of the frequency driver; empty if unknown.
    :param preference: energy preference of a driver that scales by itself; empty if unknown.
    :param throttled: how often the processor was slowed down because it was hot, while this command looked.
    :param quota_throttled_s: seconds for which a processor quota (cgroup) stopped processes while this command looked.
    :param capped: highest allowed frequency divided by the highest possible one.
    """

    governors: tuple[str, ...] = ()
    driver: str = ""
    preference: str = ""
    throttled: int | None = None
    quota_throttled_s: float | None = None
    capped: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """
    Everything that the checks judge.

    :param robot: the robot in question; None if none is active.
    :param edge: the edge that the robot uses or would use; None if none is active.
    :param silent: reports of nodes of this package that are there and not active, by node.
    :param camera: the robot's subscription to images and their publishers; None without a subscription.
    :param calibration: images that the robot's network was calibrated on; empty if there is no calibration.
    :param calibration_problem: why the calibration cannot be read; empty if it can.
    """

    discovery: DiscoveryFacts
    transport: TransportFacts = TransportFacts()
    robot: RobotFacts | None = None
    edge: EdgeFacts | None = None
    silent: Mapping[str, Report] = field(default_factory=dict)
    camera: Silence | None = None
    calibration: str = ""
    calibration_problem: str = ""
    link: LinkFacts = LinkFacts()
    machine: MachineFacts = MachineFacts()
