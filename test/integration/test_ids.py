# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A robot's id without an edge: one robot holds it, one of two simultaneous robots gets it, and silence releases it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest
import rclpy
from lifecycle_msgs.srv import ChangeState
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from support import Processes, wait_for
from watcher import Watcher, watching

from neurosurgeon_ros.diagnostics.monitor import Monitor
from neurosurgeon_ros.diagnostics.records import SeenRobot
from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.hellos import Hellos, Holder
from neurosurgeon_ros.ros.messages import goodbye, hello

#: Number of robots that claim one id at once; number of rounds.
CLAIMANTS, ROUNDS = 3, 4

WORDS = (
    *("--ros-args", "-p", "autostart:=false", "-p", "threads:=1", "-p", "policy:=on_device", "-p", "codecs:=[uint8]"),
    *("-p", "robot_id:=scout"),
)


@pytest.fixture
def nodes(ros_domain: int) -> Iterator[list[Node]]:
    context = Context()
    rclpy.init(context=context, args=[])
    made = [Node(f"robot{number}", context=context) for number in range(CLAIMANTS)]
    yield made
    for node in made:
        node.destroy_node()
    context.try_shutdown()


def hello_of(node: Node, session: int) -> RobotHello:
    return hello(Identity("scout", session), "f" * 64, "small", node=node.get_fully_qualified_name())


def claim_at_once(heard: list[Hellos], messages: list[RobotHello]) -> list[Holder | None]:
    """Claim an id with each message at the same time, each in its own thread, and return the results."""
    holders: list[Holder | None] = [None] * len(heard)
    barrier = threading.Barrier(len(heard))

    def claim(number: int) -> None:
        barrier.wait()
        holders[number] = heard[number].claim(messages[number], "")

    claims = [threading.Thread(target=claim, args=(number,)) for number in range(len(heard))]
    for one in claims:
        one.start()
    for one in claims:
        one.join()
    return holders


def test_of_robots_that_claim_an_id_at_the_same_moment_one_gets_it(nodes: list[Node]) -> None:
    for turn in range(ROUNDS):
        heard = [Hellos(node, f"/turn{turn}") for node in nodes]
        messages = [hello_of(node, 10 + (number + turn) % CLAIMANTS) for number, node in enumerate(nodes)]
        holders = claim_at_once(heard, messages)
        (winner,) = (number for number, holder in enumerate(holders) if holder is None)
        # A robot that claims it now is refused, however low its session is.
        heard[winner].say()
        latecomer = (winner + 1) % CLAIMANTS
        holder = heard[latecomer].claim(hello_of(nodes[latecomer], 1), "")
        assert holder is not None
        assert (holder.session, str(holder)) == (messages[winner].session, f"/robot{winner}")
        for one in heard:
            one.close()


@pytest.mark.parametrize(("rival", "gets_it"), [(4, False), (6, True)])
def test_of_two_that_have_both_said_hello_the_lower_session_holds_the_id(
    nodes: list[Node], rival: int, gets_it: bool
) -> None:
    claimant, other, _ = nodes
    heard = Hellos(claimant, "/meeting")
    publisher = other.create_publisher(RobotHello, "/meeting/hello", qos.PRESENCE)
    executor = SingleThreadedExecutor(context=other.context)
    executor.add_node(other)
    # The rival has sent its hello before it could hear the claim, that is, as soon as this robot has sent one.
    answered = threading.Event()

    def answer(_: RobotHello) -> None:
        if not answered.is_set():
            publisher.publish(hello_of(other, rival))
            answered.set()

    other.create_subscription(RobotHello, "/meeting/hello", answer, qos.PRESENCE)
    claim = threading.Thread(target=lambda: held.append(heard.claim(hello_of(claimant, 5), "")))
    held: list[Holder | None] = []
    claim.start()
    while claim.is_alive():
        executor.spin_once(timeout_sec=0.01)
    claim.join()
    executor.shutdown(timeout_sec=0.5)
    assert answered.is_set()
    assert [holder is None for holder in held] == [gets_it]
    heard.close()


def test_whoever_watches_takes_a_goodbye_for_no_robot(nodes: list[Node]) -> None:
    monitor = Monitor(edge_namespace="/meeting")
    try:
        publisher = nodes[0].create_publisher(RobotHello, "/meeting/hello", qos.PRESENCE)
        wait_for(lambda: publisher.get_subscription_count() == 1, 20.0, "the monitor")
        said = hello_of(nodes[0], 7)
        for message in (said, goodbye(said, "a secret"), hello_of(nodes[0], 8)):
            publisher.publish(message)
        seen = [monitor.seen.get(timeout=20.0) for _ in range(2)]
        assert seen == [SeenRobot("scout", 7, "small"), SeenRobot("scout", 8, "small")]
    finally:
        monitor.close()


def start(processes: Processes, space: str) -> str:
    processes.start("robot_node", *WORDS, "-r", f"__ns:={space}")
    return f"{space}/robot_node"


def activate_both(watcher: Watcher, nodes: list[str]) -> list[bool]:
    """Request activation of both before either has answered."""
    clients = [watcher.node.create_client(ChangeState, f"{node}/change_state") for node in nodes]
    for client in clients:
        watcher.until(client.service_is_ready, client.srv_name)
    request = ChangeState.Request()
    request.transition.id = 3
    answers = [client.call_async(request) for client in clients]
    watcher.until(lambda: all(answer.done() for answer in answers), "both answers")
    return [answer.result().success for answer in answers]


def test_an_id_is_held_by_one_robot_and_free_when_that_one_falls_silent(processes: Processes) -> None:
    nodes = [start(processes, "/r1"), start(processes, "/r2")]
    with watching() as watcher:
        for node in nodes:
            assert watcher.transition(node, "configure")
        activate_both(watcher, nodes)
        states = [watcher.state(node) for node in nodes]
        assert sorted(states) == ["active", "inactive"], "exactly one"
        winner, loser = states.index("active"), states.index("inactive")
        said = processes.started[loser]
        said.wait_for_output(f"the id scout is held by another robot, {nodes[winner]} on ")
        assert "is held by another robot" not in processes.started[winner].output

        # The second robot is refused as long as the first says hello, ...
        assert not watcher.transition(nodes[loser], "activate") or watcher.state(nodes[loser]) == "inactive"
        # ... and gets the id once the first has been silent for a while.
        processes.started[winner].end(signal.SIGKILL)
        watcher.until(
            lambda: watcher.transition(nodes[loser], "activate") and watcher.state(nodes[loser]) == "active",
            "the id that is free",
        )
