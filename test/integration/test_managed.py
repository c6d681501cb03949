# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lifecycle and parameters through services: what is not possible is refused, and the node keeps running."""

from __future__ import annotations

import signal

from support import Processes
from watcher import watching

from neurosurgeon_ros.robot.decision import Outcome


def test_a_robots_lifecycle_and_parameters(processes: Processes) -> None:
    robot = processes.start(
        "robot_node",
        *(
            "--ros-args",
            "-p",
            "autostart:=false",
            "-p",
            "threads:=1",
            "-p",
            "policy:=on_device",
            "-p",
            "codecs:=[uint8]",
        ),
    )
    with watching() as watcher:
        node = "/robot_node"
        assert watcher.state(node) == "unconfigured"
        # Not possible now.
        for label in ("activate", "deactivate", "cleanup", "unknown"):
            assert not watcher.transition(node, label), label
            assert watcher.state(node) == "unconfigured"

        # While the node is unconfigured, every parameter accepts every valid value, and no other value.
        assert watcher.set(node, iou=0.5, seed=3) == (True, "")
        for values, reason in (
            ({"policy": "best"}, "choose one of adaptive_mu_lin_ucb, mu_lin_ucb"),
            ({"model": "vgg"}, "choose one of yolov3_tiny"),
            ({"codecs": ["fp32", "mp3"]}, "'mp3'"),
            ({"codecs": []}, "choose among"),
            ({"confidence": 1.5}, "range"),
            ({"confidence": float("nan")}, ""),
            ({"confidence": 2}, "range"),
            ({"confidence": True}, "type"),
            ({"confidence": None}, ""),
            ({"threads": -1}, "range"),
            ({"policy": 5}, ""),
        ):
            done, said = watcher.set(node, **values)
            assert not done, values
            assert reason.lower() in said.lower(), (values, said)
            assert said.strip(), values
        assert watcher.get(node, "policy").string_value == "on_device"

        # A failed configuration reports the reason, and the node can be configured again.
        assert watcher.set(node, weights="/nowhere/yolov3-tiny.weights") == (True, "")
        assert not watcher.transition(node, "configure") or watcher.state(node) == "unconfigured"
        assert watcher.state(node) == "unconfigured"
        watcher.until(lambda: "/nowhere/yolov3-tiny.weights" in watcher.diagnostics.get(node, ""), "the reason")
        assert watcher.set(node, weights="") == (True, "")

        assert watcher.transition(node, "configure")
        assert watcher.state(node) == "inactive"
        assert not watcher.transition(node, "configure")
        done, said = watcher.set(node, threads=2)
        assert not done and "unconfigured" in said
        assert watcher.set(node, threads=1) == (True, ""), "no change"
        done, said = watcher.set(node, min_partition_point="pool9")
        assert not done and "pool9" in said and "pool4" in said
        assert watcher.camera.get_subscription_count() == 0, "an inactive robot takes no images"

        for _ in range(2):
            assert watcher.transition(node, "activate")
            watcher.robot_is_there()
            decision = watcher.step()
            assert (decision.sequence, decision.outcome) == (1, Outcome.ON_DEVICE)
            assert watcher.transition(node, "deactivate")
            assert watcher.state(node) == "inactive"
            watcher.until(lambda: watcher.node.count_publishers("detections") == 0, "silence")
        assert len({decision.session for decision in watcher.decisions}) == 2

        # Live parameters apply from the next frame.
        assert watcher.transition(node, "activate")
        watcher.robot_is_there()
        assert watcher.step(120).detections > 0
        assert watcher.set(node, confidence=1.0) == (True, "")
        assert watcher.step(120).detections == 0
        done, said = watcher.set(node, confidence=0.1, seed=5)
        assert not done and "seed" in said
        assert watcher.get(node, "confidence").double_value == 1.0, "all or nothing"

        # So do policy and codecs, after the arms are measured. No frame is lost in between.
        assert watcher.set(node, policy="edge_only") == (True, "")
        watcher.step_until_policy("edge_only")
        assert watcher.set(node, policy="mu_lin_ucb", codecs=["fp16"], min_fidelity=0.5) == (True, "")
        watcher.step_until_policy("mu_lin_ucb")
        robot.wait_for_output("from the next frame on: mu_lin_ucb")
        assert "/uint8" not in robot.output.rpartition("from the next frame on")[2]
        assert watcher.decisions[-1].frames_dropped == 0
        assert watcher.transition(node, "deactivate")
        assert watcher.transition(node, "cleanup")
        assert watcher.state(node) == "unconfigured"
        assert watcher.set(node, policy="edge_only") == (True, "")
        watcher.assert_every_frame_was_answered_once_in_order()
    assert robot.end(signal.SIGTERM) == 0
    assert "Traceback" not in robot.output
