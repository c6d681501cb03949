# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two robots with different videos and one edge, in one domain: each gets exactly its own detections."""

from __future__ import annotations

import signal

import numpy as np
from numpy.typing import NDArray
from pictures import video_frame
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.camera.images import to_bgr
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.robot.decision import Outcome
from neurosurgeon_ros.ros.result_messages import from_detections

FRAMES = 15
#: The edge uses as many threads as this test.
WORDS = ("threads:=1", "policy:=edge_only", "codecs:=[uint8]", "deadline_ms:=20000.0")


def mirrored(index: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(video_frame(249 - index)[:, ::-1])


def expected(engine: Engine, watcher: Watcher, number: int) -> list[object]:
    """Return the detections of the whole network in an image that the watcher has published."""
    x, fitted = engine.model.preprocess(to_bgr(watcher.images[number]))
    found = engine.model.postprocess(engine.partitioned.run_whole(x), fitted, confidence=0.25, iou=0.45)
    return list(from_detections(found, engine.model.labels, None).detections)


def test_each_robot_gets_exactly_its_own_detections(processes: Processes) -> None:
    processes.start("edge_node", "--ros-args", "-p", "threads:=1", "-p", "max_batch:=1")  # bit for bit
    robots = [
        processes.start(
            "robot_node", "--ros-args", "-r", f"__ns:={space}", *(word for value in WORDS for word in ("-p", value))
        )
        for space in ("/r1", "/r2")
    ]
    with watching("/r1") as first, watching("/r2") as second:
        second.picture = mirrored
        for watcher in (first, second):
            watcher.robot_is_there()
        first.edge_serves(2)
        assert sorted(first.statuses[-1].robots) == ["r1_robot_node", "r2_robot_node"]
        for watcher in (first, second):
            watcher.step_until(Outcome.EDGE)
        for _ in range(FRAMES):
            shown = [(watcher, len(watcher.decisions) + 1) for watcher in (first, second)]
            for watcher, _number in shown:
                watcher.show()
            for watcher, number in shown:
                watcher.until(
                    lambda watcher=watcher, number=number: len(watcher.decisions) == len(watcher.detections) == number,
                    f"decision {number}",
                )
        engine = Engine.load("yolov3_tiny")
        both = []
        for watcher in (first, second):
            watcher.assert_every_frame_was_answered_once_in_order()
            assert [decision.outcome for decision in watcher.decisions[-FRAMES:]] == [Outcome.EDGE] * FRAMES
            for number in range(len(watcher.images) - FRAMES, len(watcher.images)):
                got = [(one.results, one.bbox) for one in watcher.detections[number].detections]
                assert got == [(one.results, one.bbox) for one in expected(engine, watcher, number)]
                both.append(got)
        assert sum(map(bool, both)) > FRAMES, "something is found in most frames"
        assert not any(one and one == other for one, other in zip(both[:FRAMES], both[FRAMES:], strict=True))
    assert [robot.end(signal.SIGTERM) for robot in robots] == [0, 0]
