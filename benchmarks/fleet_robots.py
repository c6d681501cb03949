# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Robots as light clients, many in one process: they say hello and send requests, and run no network.

Prints one JSON object: for each robot the numbers of requests that were sent, answered and refused, and all delays.
"""

from __future__ import annotations

import argparse
import array
import json
import time
from dataclasses import dataclass, field

import rclpy

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.msg import DelayFeedback, EdgeStatus, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION
from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.process import make_executor, prepare

#: Session of all robots.
SESSION = 5

#: Seconds for which answers are awaited at the end.
REST_S = 3.0

#: Maximum seconds until all robots are served.
MEET_S = 60.0


@dataclass(eq=False)
class Robot:
    """
    One robot.

    :ivar due_s: clock time of its next request.
    :ivar counted: number of requests that were sent after the warm-up.
    :ivar sent_s: when each request under way was sent, by its sequence.
    """

    name: str
    message: PartialInference
    due_s: float = 0.0
    sequence: int = 0
    sent_s: dict[int, float] = field(default_factory=dict)
    delays_s: list[float] = field(default_factory=list)
    counted: int = 0
    refused: int = 0


class Robots:
    """
    All robots of this process.

    :param period_s: seconds between two requests of a robot; 0: it sends the next one when the last one is answered.
    """

    def __init__(self, names: list[str], model: str, period_s: float, deadline_s: float) -> None:
        self.node = rclpy.create_node(f"fleet_{names[0]}")
        self._period_s = period_s
        engine = Engine.load(model, random_weights=True)
        self._hello = self.node.create_publisher(RobotHello, "/neurosurgeon/hello", qos.PRESENCE)
        self._requests = self.node.create_publisher(
            PartialInference, "/neurosurgeon/partial_inference", qos.requests_of(len(names))
        )
        self._served: set[str] = set()
        self.robots = {name: Robot(name, _request(name, engine, deadline_s)) for name in names}
        self._fingerprint = engine.fingerprint
        self._end_s = self._counted_from_s = 0.0
        for name in names:
            topic = f"/neurosurgeon/{name}/delay_feedback"
            self.node.create_subscription(DelayFeedback, topic, self._hear, qos.ANSWERS)
        self.node.create_subscription(
            EdgeStatus, "/neurosurgeon/status", lambda status: self._served.update(status.robots), qos.PRESENCE
        )
        self.node.create_timer(0.5, self._say_hello)
        self._executor = make_executor()
        self._executor.add_node(self.node)

    def meet(self) -> None:
        """Wait until the edge serves all robots and hears them."""
        until_s = time.monotonic() + MEET_S
        self._say_hello()
        while not (self._served >= set(self.robots) and self._requests.get_subscription_count()):
            if time.monotonic() > until_s:
                raise SystemExit(f"only {len(self._served)} robots are served")
            self._executor.spin_once(timeout_sec=0.05)
        time.sleep(1.0)  # the answers' publishers are matched

    def run(self, seconds: float, warm_up_s: float) -> None:
        """Send requests for some seconds after a warm-up that is not counted, and wait for the last answers."""
        begin_s = time.monotonic()
        self._counted_from_s = begin_s + warm_up_s
        self._end_s = self._counted_from_s + seconds
        for index, robot in enumerate(self.robots.values()):
            robot.due_s = begin_s + self._period_s * index / len(self.robots)
            if not self._period_s:
                self._send(robot)
        while (now_s := time.monotonic()) < self._end_s:
            due_s = self._end_s
            for robot in self.robots.values() if self._period_s else ():
                if now_s >= robot.due_s:
                    self._send(robot)
                    robot.due_s += self._period_s
                due_s = min(due_s, robot.due_s)
            self._executor.spin_once(timeout_sec=max(0.0, min(0.05, due_s - time.monotonic())))
        rest_s = time.monotonic() + REST_S
        while any(robot.sent_s for robot in self.robots.values()) and time.monotonic() < rest_s:
            self._executor.spin_once(timeout_sec=0.05)

    def _send(self, robot: Robot) -> None:
        robot.sequence += 1
        robot.message.sequence = robot.sequence
        robot.sent_s[robot.sequence] = now_s = time.monotonic()
        robot.counted += now_s >= self._counted_from_s
        self._requests.publish(robot.message)

    def _hear(self, feedback: DelayFeedback) -> None:
        robot = self.robots[feedback.robot_id]
        sent_s = robot.sent_s.pop(feedback.sequence, None)
        if sent_s is None:
            return
        if sent_s < self._counted_from_s:
            pass
        elif feedback.status == DelayFeedback.OK:
            robot.delays_s.append(time.monotonic() - sent_s)
        else:
            robot.refused += 1
        if not self._period_s and time.monotonic() < self._end_s:
            self._send(robot)

    def _say_hello(self) -> None:
        for name in self.robots:
            self._hello.publish(
                RobotHello(
                    protocol_version=PROTOCOL_VERSION, robot_id=name, session=SESSION, fingerprint=self._fingerprint
                )
            )


def _request(name: str, engine: Engine, deadline_s: float) -> PartialInference:
    """Return a request for an input of zeros."""
    (spec,) = engine.partitioned.points[0].tensors
    height, width = spec.shape[2:]
    data = array.array("B", bytes(engine.model.example_input.numel()))
    return PartialInference(
        protocol_version=PROTOCOL_VERSION,
        robot_id=name,
        session=SESSION,
        fingerprint=engine.fingerprint,
        image_width=width,
        image_height=height,
        scale_x=1.0,
        scale_y=1.0,
        confidence_threshold=0.25,
        iou_threshold=0.45,
        deadline=deadline_s,
        tensors=[Tensor(name=spec.name, dtype="uint8", shape=list(spec.shape), codec="uint8", data=data)],
    )


def main() -> None:
    """Run the robots that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, required=True, help="number of the first robot")
    parser.add_argument("--robots", type=int, required=True, help="number of robots")
    parser.add_argument("--model", required=True, help="the edge's network")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second of each; 0: one after the other")
    parser.add_argument("--deadline", type=float, default=0.0, help="seconds that a robot waits; 0: no limit")
    parser.add_argument("--seconds", type=float, required=True, help="seconds to send")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before, which are not counted (default: 1)")
    args = parser.parse_args()
    prepare()
    rclpy.init()
    names = [f"robot_{number}" for number in range(args.first, args.first + args.robots)]
    robots = Robots(names, args.model, 1.0 / args.rate if args.rate else 0.0, args.deadline)
    robots.meet()
    print("ready", flush=True)
    input()
    robots.run(args.seconds, args.warm_up)
    print(
        json.dumps(
            [
                {
                    "name": robot.name,
                    "sent": robot.counted,
                    "refused": robot.refused,
                    "lost": len(robot.sent_s),
                    "delays_s": robot.delays_s,
                }
                for robot in robots.robots.values()
            ]
        ),
        flush=True,
    )
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
