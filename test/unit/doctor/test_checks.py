# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Each check judges facts of its own; whatever else is wrong with robot and edge does not matter to it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy

from neurosurgeon_ros.camera.image_sources import Silence, Source
from neurosurgeon_ros.doctor.checks import judge
from neurosurgeon_ros.doctor.facts import (
    DiscoveryFacts,
    EdgeFacts,
    Facts,
    LinkFacts,
    MachineFacts,
    Mismatch,
    Report,
    RobotFacts,
    TransportFacts,
)
from neurosurgeon_ros.doctor.finding import Finding, State
from neurosurgeon_ros.ros.unheard_peers import Unheard

BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
DRIVER = Source("/driver", "sensor_msgs/msg/Image", BEST_EFFORT)

ROBOT = RobotFacts(
    node="/robot_node",
    robot_id="robot_node",
    model="yolov3_tiny",
    fingerprint="834043395d70aa",
    clock_ahead_s=-0.002,
    stamps_behind_s=0.05,
    report=Report("ok", "works with the edge", {"frames in [Hz]": "9.9", "frames received": "40", "edge": "vm"}),
)
EDGE = EdgeFacts(
    node="/edge_node",
    edge_id="vm",
    models={"834043395d70aa": "yolov3_tiny"},
    near=False,
    loads=(0.3, 0.5),
    queues=(0, 1),
    requests=30,
    clock_ahead_s=0.01,
    report=Report("ok", "serves 1 robot"),
)
CAMERA = Silence("/image_raw", "raw", BEST_EFFORT, [DRIVER], {}, came=True)
WELL = Facts(
    discovery=DiscoveryFacts(domain=7),
    transport=TransportFacts(free_bytes=64_000_000),
    robot=ROBOT,
    edge=EDGE,
    camera=CAMERA,
    calibration="250 frames of bikes.mp4",
    link=LinkFacts(rate_bps=50e6, round_trip_s=0.003, sent=175, answered=210),
    machine=MachineFacts(("schedutil",), "acpi-cpufreq", "", 0, 0.0, 1.0),
)
NOTHING = Facts(discovery=DiscoveryFacts(domain=7), link=LinkFacts(why_not="no edge is heard"))


def finding(facts: Facts, name: str) -> Finding:
    return next(one for one in judge(facts) if one.name == name)


def discovery(**changes: object) -> DiscoveryFacts:
    return replace(DiscoveryFacts(domain=7), **changes)  # type: ignore[arg-type]


#: A robot that has no edge.
ALONE = replace(ROBOT, report=Report("ok", "works", {"frames in [Hz]": "9.9", "edge": "none"}))


def transport(**changes: object) -> TransportFacts:
    return replace(WELL.transport, **changes)  # type: ignore[arg-type]


def report(level: str, message: str, **values: str) -> Report:
    return Report(level, message, {**ROBOT.report.values, **values} if ROBOT.report else values)


def mismatch(topic: str, subscriber: str) -> Mismatch:
    return Mismatch(topic, "/driver", subscriber, "reliability", "best effort", "reliable")


def test_all_is_well() -> None:
    findings = judge(WELL)
    assert {one.state for one in findings} == {State.OK}
    assert all(one.what and not one.what_to_do for one in findings)
    assert len({one.name for one in findings}) == len(findings) == 16


def test_without_robot_and_edge_only_discovery_is_wrong() -> None:
    wrong = [one for one in judge(NOTHING) if one.state in (State.WARNING, State.ERROR)]
    assert [one.name for one in wrong] == ["discovery", "transports"]
    assert wrong[0].what.startswith("no robot and no edge is heard")
    assert "--peer" in wrong[0].what_to_do


UNHEARD = Unheard("a publisher of /x is there, and nothing arrives: /dev/shm/y belongs to nobody (uid 65534)", True)
BLOCKED = Unheard("a publisher of /x is there, and nothing arrives: let the firewalls of both machines pass UDP", False)


@pytest.mark.parametrize(
    ("facts", "name", "state", "what", "remedy"),
    [
        pytest.param(
            replace(WELL, robot=ALONE, edge=None, discovery=discovery(elsewhere={42: ("the edge /e",)})),
            "domain",
            State.ERROR,
            "the edge /e is in domain 42, and this command is in domain 7",
            "the same ROS_DOMAIN_ID",
            id="an edge in another domain",
        ),
        pytest.param(
            replace(WELL, robot=None, edge=None, discovery=discovery(elsewhere={3: ("the edge /e", "the robot /r")})),
            "domain",
            State.ERROR,
            "the edge /e and the robot /r are in domain 3",
            "the same ROS_DOMAIN_ID",
            id="both in another domain",
        ),
        pytest.param(
            replace(WELL, robot=None, discovery=discovery(elsewhere={3: ("the edge /e",)})),
            "domain",
            State.OK,
            "ROS_DOMAIN_ID is 7",
            "",
            id="another edge in another domain, while a robot is missing",
        ),
        pytest.param(
            replace(
                WELL, robot=ALONE, edge=None, discovery=discovery(by_unicast=("the edge /e",), asked=("10.0.0.2",))
            ),
            "discovery",
            State.ERROR,
            "multicast is blocked: the edge /e answered to unicast only",
            "ROS_STATIC_PEERS to the other machine's address on both (10.0.0.2 from here)",
            id="multicast blocked",
        ),
        pytest.param(
            replace(WELL, robot=ALONE, edge=None, discovery=discovery(asked=("10.0.0.2",))),
            "discovery",
            State.ERROR,
            "nothing comes from other machines by multicast, and by unicast 10.0.0.2 did not answer",
            "UDP ports 9150 to 9399",
            id="nobody answers",
        ),
        pytest.param(
            replace(WELL, robot=ALONE, edge=None, discovery=discovery(reach="LOCALHOST")),
            "discovery",
            State.ERROR,
            "limited to this machine (LOCALHOST)",
            "ROS_AUTOMATIC_DISCOVERY_RANGE=SUBNET",
            id="this machine only",
        ),
        pytest.param(
            replace(WELL, robot=ALONE, edge=None, discovery=discovery(without_multicast=("wlan0",))),
            "discovery",
            State.ERROR,
            "wlan0 does not carry multicast",
            "ip link set wlan0 multicast on",
            id="an interface without multicast",
        ),
        pytest.param(
            replace(WELL, robot=None, silent={"/robot_node": Report("error", "cannot configure: no weights")}),
            "discovery",
            State.ERROR,
            "no robot is active: /robot_node is there, and says: cannot configure: no weights",
            "ros2 lifecycle get /robot_node",
            id="an inactive robot",
        ),
        pytest.param(
            replace(WELL, robot=replace(ROBOT, report=report("warning", "works without", edge="none"))),
            "discovery",
            State.ERROR,
            "does not hear the edge vm",
            "ROS_STATIC_PEERS",
            id="an edge that only this command hears",
        ),
        pytest.param(
            replace(WELL, transport=transport(unheard=UNHEARD)),
            "transports",
            State.ERROR,
            "belongs to nobody",
            "transport:=udp",
            id="shared memory of another user",
        ),
        pytest.param(
            replace(WELL, transport=transport(unheard=BLOCKED)),
            "transports",
            State.ERROR,
            "nothing arrives",
            "let the firewalls of both machines pass UDP",
            id="a firewall",
        ),
        pytest.param(
            replace(NOTHING, transport=transport(middleware="rmw_zenoh_cpp")),
            "discovery",
            State.ERROR,
            "no robot and no edge is heard",
            "connect the routers",
            id="no Zenoh router",
        ),
        pytest.param(
            replace(WELL, transport=transport(free_bytes=3_000_000)),
            "transports",
            State.WARNING,
            "3.0 MB left",
            "--shm-size",
            id="a full /dev/shm",
        ),
        pytest.param(
            replace(
                WELL, transport=transport(mismatches=(mismatch("/a", "/x"), mismatch("/image_raw", "/robot_node")))
            ),
            "quality of service",
            State.ERROR,
            "/driver offers best effort on /image_raw, /robot_node asks for reliable: nothing arrives (1 more)",
            "remove qos_overrides./image_raw.subscription",
            id="a robot that asks for too much",
        ),
        pytest.param(
            replace(WELL, transport=transport(mismatches=(mismatch("/detections", "/x"),))),
            "quality of service",
            State.ERROR,
            "/x asks for reliable",
            "let /driver offer reliable, or /x ask for best effort",
            id="another node that asks for too much",
        ),
        pytest.param(
            replace(WELL, transport=transport(foreign=("/e has another type: install the same version",))),
            "messages",
            State.ERROR,
            "/e has another type",
            "install the same version",
            id="another release",
        ),
        pytest.param(
            replace(WELL, transport=transport(foreign=("/neurosurgeon/status: 5 bytes came that are no x: it ends",))),
            "messages",
            State.ERROR,
            "5 bytes came that are no x: it ends",
            "ros2 topic info --verbose",
            id="bytes that are no message",
        ),
        pytest.param(
            replace(WELL, camera=replace(CAMERA, sources=[], others={"/front/image": [DRIVER]})),
            "images",
            State.ERROR,
            "there are images on /front/image by /driver",
            "remap with -r image_raw:=/front/image",
            id="a camera elsewhere",
        ),
        pytest.param(
            replace(WELL, robot=replace(ROBOT, report=report("error", "none", **{"frames in [Hz]": "0.0"}))),
            "images",
            State.ERROR,
            "publishes /image_raw, but sends none any more",
            "ros2 topic hz /image_raw",
            id="a silent camera",
        ),
        pytest.param(
            replace(
                WELL,
                robot=replace(ROBOT, report=report("warning", "3 of 9 were lost before they reached the robot: do x")),
            ),
            "images",
            State.WARNING,
            "3 of 9 were lost before they reached the robot",
            "do x",
            id="lost images",
        ),
        pytest.param(
            replace(WELL, edge=replace(EDGE, models={"6f62": "mobilenet_v2"})),
            "model",
            State.ERROR,
            "the robot runs yolov3_tiny 834043395d70, the edge serves mobilenet_v2 6f62",
            "start both with the same model and weights",
            id="another model",
        ),
        pytest.param(
            replace(WELL, edge=replace(EDGE, models={"6f62": "yolov3_tiny"})),
            "model",
            State.ERROR,
            "the edge serves yolov3_tiny 6f62",
            "start both with the same weights",
            id="other weights",
        ),
        pytest.param(
            replace(WELL, calibration=""),
            "calibration",
            State.WARNING,
            "has none",
            "neurosurgeon calibrate yolov3_tiny",
            id="no calibration",
        ),
        pytest.param(
            replace(WELL, calibration="", calibration_problem="x.json is no calibration"),
            "calibration",
            State.ERROR,
            "x.json is no calibration",
            "remove the file",
            id="a broken calibration",
        ),
        pytest.param(
            replace(WELL, edge=replace(EDGE, clock_ahead_s=86400.3)),
            "clocks",
            State.WARNING,
            "the edge's clock is 1.0 days ahead of this machine's",
            "chrony",
            id="an edge a day ahead",
        ),
        pytest.param(
            replace(WELL, robot=replace(ROBOT, clock_ahead_s=-90.0)),
            "clocks",
            State.WARNING,
            "the robot's clock is 1.5 minutes behind this machine's",
            "chrony",
            id="a robot behind",
        ),
        pytest.param(
            replace(WELL, robot=replace(ROBOT, stamps_behind_s=7200.0)),
            "clocks",
            State.WARNING,
            "the images' stamps are 2.0 hours behind this machine's clock",
            "use_sim_time",
            id="old stamps",
        ),
        pytest.param(
            replace(WELL, link=replace(WELL.link, rate_bps=0.5e6)),
            "link rate",
            State.WARNING,
            "0.5 Mbit/s to the edge beside the robot's own traffic, 3.0 ms there and back: an image as jpeg takes "
            "about 0.5 s",
            "access point",
            id="a slow link",
        ),
        pytest.param(
            replace(
                WELL,
                edge=None,
                robot=replace(ROBOT, report=report("ok", "works", **{"link rate [Mbit/s]": "0.4"})),
                link=NOTHING.link,
            ),
            "link rate",
            State.ERROR,
            "discovery takes longer than this command, and the robot's frames travel at 0.4 Mbit/s",
            "access point",
            id="a link that is too slow for discovery",
        ),
        pytest.param(
            replace(WELL, link=replace(WELL.link, rate_bps=math.nan)),
            "link rate",
            State.ERROR,
            "larger ones do not arrive",
            "access point",
            id="a link for small messages only",
        ),
        pytest.param(
            replace(WELL, link=LinkFacts(is_unanswered=True)),
            "link rate",
            State.ERROR,
            "it does not answer this command: the link towards it is full or loses much",
            "access point",
            id="a full link",
        ),
        pytest.param(
            replace(WELL, link=LinkFacts(sent=3, lost=3)),
            "link rate",
            State.ERROR,
            "none of 3 small probes was answered: the link is down, or full",
            "access point",
            id="a dead link",
        ),
        pytest.param(
            replace(WELL, link=replace(WELL.link, lost=9)),
            "link loss",
            State.WARNING,
            "the link loses 5% of the packets: 9 of 175 probes to the edge, 0 of 210 answers",
            "ipfrag",
            id="lost probes",
        ),
        pytest.param(
            replace(WELL, link=replace(WELL.link, lost_answers=21)),
            "link loss",
            State.WARNING,
            "the link loses 10% of the packets",
            "ipfrag",
            id="lost answers",
        ),
        pytest.param(
            replace(WELL, link=replace(WELL.link, lost=1, lost_answers=1)),
            "link loss",
            State.OK,
            "1 of 175 probes to the edge",
            "",
            id="one lost probe is chance",
        ),
        pytest.param(
            replace(WELL, edge=replace(EDGE, loads=(0.97, 0.99), queues=(2, 3), refused=12)),
            "edge load",
            State.ERROR,
            "the edge is overloaded: busy 98% of the time, 2.5 requests wait, 12 of 30 were refused",
            "fewer robots",
            id="an overloaded edge",
        ),
        pytest.param(
            replace(WELL, edge=replace(EDGE, loads=(0.97, 0.99), queues=(0, 0))),
            "edge load",
            State.OK,
            "busy 98% of the time",
            "",
            id="a busy edge that keeps up",
        ),
        pytest.param(
            replace(WELL, machine=MachineFacts(("powersave",), "acpi-cpufreq")),
            "CPU governor",
            State.WARNING,
            "powersave (acpi-cpufreq)",
            "cpupower frequency-set -g performance",
            id="a slow governor",
        ),
        pytest.param(
            replace(WELL, machine=MachineFacts(("powersave",), "intel_pstate", "balance_performance")),
            "CPU governor",
            State.OK,
            "powersave (intel_pstate)",
            "",
            id="a driver that scales by itself",
        ),
        pytest.param(
            replace(WELL, machine=MachineFacts(("powersave",), "intel_pstate", "power")),
            "CPU governor",
            State.WARNING,
            "prefers power",
            "epp",
            id="a driver that saves power",
        ),
        pytest.param(
            replace(WELL, machine=MachineFacts(("performance",), "acpi-cpufreq", capped=0.5)),
            "CPU governor",
            State.WARNING,
            "limited to 50%",
            "cpupower",
            id="a limited frequency",
        ),
        pytest.param(
            replace(WELL, machine=MachineFacts(throttled=4)),
            "throttling",
            State.WARNING,
            "heat slowed the processor down 4 times",
            "cool it",
            id="heat",
        ),
        pytest.param(
            replace(WELL, machine=MachineFacts(quota_throttled_s=1.25)),
            "throttling",
            State.WARNING,
            "a processor quota stopped processes for 1.2 s",
            "raise the quota",
            id="a quota",
        ),
        pytest.param(
            replace(WELL, robot=replace(ROBOT, report=report("warning", "works without the edge: it does"))),
            "robot says",
            State.WARNING,
            "works without the edge: it does",
            "troubleshooting",
            id="a complaint that nothing explains",
        ),
    ],
)
def test_a_fault_is_named_with_its_remedy_and_nothing_else_is(
    facts: Facts, name: str, state: State, what: str, remedy: str
) -> None:
    found = finding(facts, name)
    assert found.state is state
    assert what in found.what
    assert (remedy in found.what_to_do) if remedy else found.what_to_do == ""
    wrong = [one.name for one in judge(facts) if one.state in (State.WARNING, State.ERROR)]
    assert name not in wrong if state is State.OK else wrong == [name]


def test_a_complaint_that_another_check_explains_is_not_counted_again() -> None:
    facts = replace(WELL, edge=replace(EDGE, models={"6f62": "x"}, report=report("warning", "2 of another model")))
    assert finding(facts, "edge says").state is State.SKIPPED
    assert finding(facts, "edge says").what == "2 of another model, see above"


def test_a_cause_hides_its_consequences() -> None:
    facts = replace(NOTHING, discovery=discovery(elsewhere={42: ("the edge /e",)}))
    assert finding(facts, "discovery").state is State.SKIPPED
    facts = replace(NOTHING, transport=transport(unheard=UNHEARD))
    assert finding(facts, "discovery").state is State.SKIPPED


def test_a_link_from_the_edges_own_machine_says_nothing_about_the_robots() -> None:
    facts = replace(WELL, robot=replace(ROBOT, near=False), edge=replace(EDGE, near=True))
    assert finding(facts, "link rate").state is State.SKIPPED
    assert "run this command on the robot's" in finding(facts, "link loss").what


def test_losses_beside_an_overloaded_edge_are_its_own() -> None:
    facts = replace(WELL, edge=replace(EDGE, loads=(0.9,), queues=(3,)), link=replace(WELL.link, sent=150, lost=20))
    assert [finding(facts, name).state for name in ("link loss", "edge load")] == [State.SKIPPED, State.ERROR]


def test_losses_of_a_few_probes_on_a_slow_link_are_not_judged() -> None:
    facts = replace(WELL, link=replace(WELL.link, sent=16, lost=2))
    assert finding(facts, "link loss").state is State.SKIPPED


def test_a_kernel_that_shows_nothing_is_skipped() -> None:
    facts = replace(WELL, machine=MachineFacts())
    assert [finding(facts, name).state for name in ("CPU governor", "throttling")] == [State.SKIPPED] * 2


def test_another_rmw_implementation_needs_no_shared_memory() -> None:
    facts = replace(WELL, transport=transport(middleware="rmw_cyclonedds_cpp", free_bytes=0))
    assert finding(facts, "transports") == Finding("transports", State.OK, "rmw_cyclonedds_cpp")
