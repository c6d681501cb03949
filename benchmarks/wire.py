# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the transport of a PartialInference from publish to callback: its goodput over a wire, and its delay locally.

The wire (needs root) is the testbed's two network namespaces. With loss, a share of the packets is dropped on arrival.
The edge's kernel reassembles packets with the settings that ROS 2 recommends for such a link. The message, its QoS and
the Fast DDS profile are those of the nodes.

    tools/run python benchmarks/wire.py [--rates 4 16 50] [--sizes 20000 ...] [--loss 0 0.01] [--json FILE]
    tools/run python benchmarks/wire.py --one-machine

Each message is sent when the answer to the previous one has arrived. The time is a round trip; the answer is small and
its direction is not rate-limited. `share` is the time that the payload takes at the wire's rate, divided by that time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.network import LoopbackNetwork, NamespaceNetwork, Side

if TYPE_CHECKING:
    from rclpy.node import Node

RATES_MBPS = (4.0, 16.0, 50.0)
SIZES = (20_000, 43_000, 100_000, 500_000, 2_000_000)
LOCAL_SIZES = (10_000, 100_000, 1_000_000, 4_000_000)
#: Largest message that the edge accepts, bytes; the same as its parameter max_request_bytes.
LARGEST_BYTES = 33554432
#: Seconds to wait for an answer, beyond the wire's own time.
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Result:
    """
    Measurements of messages of one size over one wire.

    :param rate_mbps: rate of the wire; 0 for one machine without a wire.
    :param loss: share of packets dropped, in [0, 1].
    :param share: median goodput relative to the wire's rate; 0 on one machine.
    :param one_way_ms: median time from before the message is built until the edge's callback has it as a message.
    :param made_ms: median time to build the message; part of `one_way_ms`.
    :param late_ms: time of the slowest message beyond the wire's own time; its whole time on one machine.
    :param publish_ms: longest time that publish blocked its caller.
    :param lost: number of messages without an answer.
    """

    rate_mbps: float
    loss: float
    size: int
    messages: int
    share: float
    median_ms: float
    one_way_ms: float
    made_ms: float
    late_ms: float
    publish_ms: float
    lost: int


def measure(
    network: NamespaceNetwork | LoopbackNetwork, rate_mbps: float, loss: float, sizes: Sequence[int], messages: int
) -> list[Result]:
    """Run both ends, each on its side of the network, and return the robot's results; rate 0 means one machine."""
    me = [sys.executable, __file__]
    plan = json.dumps({"rate_mbps": rate_mbps, "loss": loss, "sizes": list(sizes), "messages": messages})
    environment = {**os.environ, **network.environment()}
    edge = subprocess.Popen(network.command(Side.EDGE, [*me, "--end", "edge"]), env=environment)
    try:
        robot = subprocess.run(
            network.command(Side.ROBOT, [*me, "--end", "robot", "--plan", plan]),
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    finally:
        edge.terminate()
        edge.wait()
    return [Result(**one) for one in json.loads(robot.stdout.splitlines()[-1])]


def spin(node: Node) -> None:
    """Spin a node in the executor that this package's nodes use."""
    import rclpy

    from neurosurgeon_ros.ros.process.process import make_executor

    executor = make_executor()
    executor.add_node(node)
    while rclpy.ok():
        executor.spin_once(timeout_sec=1.0)


def edge_end() -> None:
    """Answer each request with a delay feedback."""
    from neurosurgeon_ros.ros.process.process import prepare

    prepare()
    import rclpy

    from neurosurgeon_ros.msg import DelayFeedback, PartialInference
    from neurosurgeon_ros.ros import qos
    from neurosurgeon_ros.ros.intake import Intake

    rclpy.init()
    node = rclpy.create_node("wire_edge")
    answers = node.create_publisher(DelayFeedback, "/wire/delay_feedback", qos.ANSWERS)

    def answer(message: PartialInference) -> None:
        # Both ends run on one machine and share its clock.
        answers.publish(DelayFeedback(sequence=message.sequence, queue_delay=time.perf_counter()))

    Intake(node).subscribe(
        PartialInference, "/wire/partial_inference", answer, qos.PARTIAL_INFERENCE, max_bytes=LARGEST_BYTES
    )
    try:
        spin(node)
    except BaseException:  # terminated from outside; there is nothing to save
        os._exit(0)


def robot_end(plan: dict[str, object]) -> list[Result]:
    """Send messages of each size, one after another, and return their times."""
    from neurosurgeon_ros.ros.process.process import prepare

    prepare()
    import rclpy

    from neurosurgeon_ros.codecs import EncodedTensor
    from neurosurgeon_ros.learning.interface import Kind
    from neurosurgeon_ros.msg import DelayFeedback, PartialInference
    from neurosurgeon_ros.protocol.requests import Key, Request
    from neurosurgeon_ros.ros import qos
    from neurosurgeon_ros.ros.messages import from_request

    rclpy.init()
    node = rclpy.create_node("wire_robot")
    publisher = node.create_publisher(PartialInference, "/wire/partial_inference", qos.PARTIAL_INFERENCE)
    answered = threading.Condition()
    heard: dict[int, float] = {}
    called: dict[int, float] = {}

    def hear(message: DelayFeedback) -> None:
        with answered:
            heard[message.sequence] = time.perf_counter()
            called[message.sequence] = message.queue_delay
            answered.notify()

    feedback = node.create_subscription(DelayFeedback, "/wire/delay_feedback", hear, qos.ANSWERS)
    threading.Thread(target=spin, args=(node,), daemon=True).start()
    while publisher.get_subscription_count() == 0 or node.count_publishers(feedback.topic_name) == 0:
        time.sleep(0.01)
    time.sleep(0.5)

    sequence = 0

    def send(size: int, patience_s: float) -> tuple[float | None, float, float, float]:
        nonlocal sequence
        sequence += 1
        tensor = EncodedTensor("pool4", "float32", (1, size), "raw", memoryview(os.urandom(size)))
        key = Key("wire", 1, sequence, Kind.PROBE)
        request = Request(key, None, "0" * 64, 0, (tensor,), None, 0.25, 0.45, 0.0)
        begin = time.perf_counter()
        message = from_request(request)
        made = time.perf_counter()
        publisher.publish(message)
        kept = time.perf_counter() - made
        number = sequence
        with answered:
            answered.wait_for(lambda: number in heard, patience_s)
        took = heard[number] - begin if number in heard else None
        return took, called.get(number, begin) - begin, made - begin, kept

    rate = float(plan["rate_mbps"]) * 1e6  # type: ignore[arg-type]
    results = []
    for size in plan["sizes"]:  # type: ignore[attr-defined]
        own_s = 8.0 * size / rate if rate else 0.0
        count = int(plan["messages"])  # type: ignore[call-overload]
        if rate:  # a slow wire gets fewer messages, but enough to meet losses
            count = max(4, min(count, round(count / 10 / max(own_s, 1e-9))))
        for _ in range(2 if own_s < 1.0 else 1):
            send(size, PATIENCE_S + own_s)
        times, one_way, making, kept, lost = [], [], [], [], 0
        for _ in range(count):
            took, there, made, held = send(size, PATIENCE_S + own_s)
            kept.append(held)
            making.append(made)
            if took is None:
                lost += 1
            else:
                times.append(took)
                one_way.append(there)
            if rate:
                time.sleep(0.02)
        median = statistics.median(times) if times else float("inf")
        results.append(
            Result(
                rate_mbps=rate / 1e6,
                loss=float(plan["loss"]),  # type: ignore[arg-type]
                size=size,
                messages=count,
                share=own_s / median,
                median_ms=1e3 * median,
                one_way_ms=1e3 * statistics.median(one_way) if one_way else float("inf"),
                made_ms=1e3 * statistics.median(making),
                late_ms=1e3 * (max(times, default=float("inf")) - own_s),
                publish_ms=1e3 * max(kept),
                lost=lost,
            )
        )
    return results


HEADER = " Mbit/s  loss    bytes    n  share round trip   one way   making    latest  publish lost"


def show(result: Result) -> None:
    """Print one line of the table."""
    rate = f"{result.rate_mbps:.0f}" if result.rate_mbps else "local"
    share = f"{result.share:.3f}" if result.rate_mbps else "-"
    print(
        f"{rate:>7} {result.loss:5.2f} {result.size:8d} {result.messages:4d} {share:>6} {result.median_ms:7.2f} ms "
        f"{result.one_way_ms:6.2f} ms {result.made_ms:5.2f} ms "
        f"{result.late_ms:6.1f} ms {result.publish_ms:5.1f} ms {result.lost:4d}",
        flush=True,
    )


def main() -> int:
    """Run the requested measurements and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="*", default=RATES_MBPS, metavar="MBPS")
    parser.add_argument("--sizes", type=int, nargs="*", metavar="BYTES")
    parser.add_argument("--loss", type=float, nargs="*", default=(0.0, 0.01), metavar="SHARE")
    parser.add_argument("--messages", type=int, default=50, help="messages per size, fewer on a slow wire (default 50)")
    parser.add_argument("--as-it-comes", action="store_true", help="keep the edge's default kernel settings")
    parser.add_argument("--one-machine", action="store_true", help="measure only without a wire; needs no root")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--end", choices=("robot", "edge"), help=argparse.SUPPRESS)
    parser.add_argument("--plan", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.end == "edge":
        edge_end()
    elif options.end == "robot":
        print(json.dumps([asdict(one) for one in robot_end(options.plan)]), flush=True)
        os._exit(0)

    results: list[Result] = []
    print(HEADER)
    with LoopbackNetwork() as here:
        for one in measure(here, 0.0, 0.0, options.sizes or LOCAL_SIZES, 200):
            results.append(one)
            show(one)
    if not options.one_machine and os.geteuid() != 0:
        print("the wire needs root for its network namespaces: left out")
    elif not options.one_machine:
        with NamespaceNetwork() as network:
            if not options.as_it_comes:
                network.reassemble_as_recommended()
            for rate, loss in product(options.rates, options.loss):
                network.set_rate(rate)
                network.set_loss(loss)
                for one in measure(network, rate, loss, options.sizes or SIZES, options.messages):
                    results.append(one)
                    show(one)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
