# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot: takes camera images, shares the network with the edge, and gives one detections message for each."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from neurosurgeon_ros.codecs import CODECS
from neurosurgeon_ros.learning import DEFAULT_POLICY, POLICIES
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.models import MODELS, OWN_MODEL
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.nodes import qos
from neurosurgeon_ros.nodes.edge_link import EdgeLink
from neurosurgeon_ros.nodes.images import MAX_BYTES, check_image, from_bgr, to_bgr
from neurosurgeon_ros.nodes.intake import SMALL_BYTES, Intake, shorten
from neurosurgeon_ros.nodes.managed import ManagedNode, destroy
from neurosurgeon_ros.nodes.messages import from_decision, from_detections, label_info
from neurosurgeon_ros.nodes.parameters import parameter
from neurosurgeon_ros.nodes.process import run
from neurosurgeon_ros.runtime.admission import AUTO, Admission, expand
from neurosurgeon_ros.runtime.arms import ArmTable, build_arm_table
from neurosurgeon_ros.runtime.decision import Arrival, Decision, FrameResult, ImageRejected, Outcome, RobotSettings
from neurosurgeon_ros.runtime.drawing import draw_detections
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.fidelity import FidelityTable, find_fidelity
from neurosurgeon_ros.runtime.learner import Learner
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.presence import to_id
from neurosurgeon_ros.runtime.processor import FrameProcessor
from neurosurgeon_ros.runtime.protocol import Identity
from neurosurgeon_ros.runtime.robot import RobotPipeline

# Said once, whichever arm it is.
_NAN = "NaN"


@dataclass(frozen=True, slots=True)
class RobotParameters:
    """Parameters of robot_node."""

    model: str = parameter(
        "yolov3_tiny",
        "network that is shared with the edge",
        choices=MODELS,
        otherwise=OWN_MODEL,
    )
    weights: str = parameter("", "its weights file; empty: the one in the cache folder")
    random_weights: bool = parameter(False, "take random weights, where only delays matter; the same on both")
    robot_id: str = parameter("", "name of this robot at the edge; empty: the node's fully qualified name")
    edge_namespace: str = parameter("/neurosurgeon", "where robot and edge meet; the same on both", namespace=True)
    policy: str = parameter(DEFAULT_POLICY, "how the arm of each frame is chosen", choices=POLICIES)
    state_file: str = parameter("", "where the policy goes on from and saves what it learnt; empty: nowhere")
    codecs: tuple[str, ...] = parameter(
        (AUTO,), "codecs that tensors may travel with; `auto`: all that `min_fidelity` admits", choices=(AUTO, *CODECS)
    )
    min_fidelity: float = parameter(
        0.95,
        "least agreement with the whole network, as `neurosurgeon calibrate` measured it for each arm; without a "
        "calibration only arms without loss and fp16 are used; 0: any arm",
        low=0.0,
        high=1.0,
    )
    fidelity_price_ms: float = parameter(
        0.5,
        "delay by which an arm counts as slower for each hundredth of agreement that it loses",
        unit="ms",
        low=0.0,
        high=1000.0,
        live=True,
    )
    allow_raw_images: bool = parameter(True, "whether the image may travel to the edge, rather than what became of it")
    min_partition_point: str = parameter("", "name of the earliest partition point that may be sent; empty: any")
    deadline_ms: float = parameter(
        0.0,
        "after which a frame that the edge has not answered is finished on the robot; "
        "0: from the camera's rate and the on-device delay",
        unit="ms",
        low=0.0,
        high=60000.0,
        live=True,
    )
    confidence: float = parameter(0.25, "detections with a lower score are left out", low=0.0, high=1.0, live=True)
    iou: float = parameter(0.45, "overlap above which the weaker box of a class goes", low=0.0, high=1.0, live=True)
    key_frame_threshold: float = parameter(
        0.8, "similarity (SSIM) with the previous frame below which a frame is a key frame", low=-1.0, high=1.0
    )
    robot_speed: float = parameter(
        1.0, "speed of the emulated robot as a fraction of this computer's; 1: no emulation", low=0.01, high=1.0
    )
    threads: int = parameter(0, "threads of the front-end; 0: as many as there are cores", low=0, high=256)
    seed: int = parameter(0, "of whatever is drawn at random", low=0, high=2**31 - 1)
    autostart: bool = parameter(True, "configure and activate at start, without a lifecycle manager")


class RobotNode(ManagedNode[RobotParameters]):
    """ROS around :class:`neurosurgeon_ros.runtime.robot.RobotPipeline`, and its sink."""

    def __init__(self) -> None:
        super().__init__("robot_node", RobotParameters)
        self._engine: Engine | None = None
        self._table: ArmTable | None = None
        self._identity = Identity("", 0)
        self._link: EdgeLink | None = None
        self._pipeline: RobotPipeline | None = None
        self._learner: Learner | None = None
        self._entities: list[object] = []
        self._outcomes = dict.fromkeys(Outcome, 0)
        self._complained: set[str] = set()
        self._out: Publisher | None = None
        self._drawn: Publisher | None = None
        self._decisions: Publisher | None = None

    # Lifecycle.

    def configure(self) -> None:
        """Load the network, and measure every arm on this machine."""
        parameters = self.parameters
        weights = Path(parameters.weights) if parameters.weights else None
        self._identity = Identity(to_id(parameters.robot_id or self.get_fully_qualified_name()), 0)
        self._engine = Engine.load(parameters.model, weights=weights, random_weights=parameters.random_weights)
        fidelity = find_fidelity(self._engine.fingerprint)
        self._table = build_arm_table(
            self._engine,
            expand(parameters.codecs),
            admission=Admission(
                min_fidelity=parameters.min_fidelity,
                fidelity=fidelity,
                allow_raw_images=parameters.allow_raw_images,
                min_partition_point=parameters.min_partition_point,
            ),
            speed=parameters.robot_speed,
            threads=parameters.threads,
            fidelity_price_s=parameters.fidelity_price_ms / 1e3,
        )
        self._say_what_was_made(fidelity)

    def _say_what_was_made(self, fidelity: FidelityTable | None) -> None:
        assert self._engine is not None and self._table is not None
        say, parameters = self.get_logger(), self.parameters
        on_device_ms = 1e3 * self._table.robot_s[self._table.on_device]
        say.info(
            f"{parameters.model} {self._engine.fingerprint[:12]} on {self._identity.robot_id}: "
            f"{len(self._table.arms)} arms ({', '.join(arm.name for arm in self._table.arms)}), "
            f"{on_device_ms:.0f} ms on the device"
        )
        if parameters.random_weights:
            say.warning("the weights are random: delays mean something, detections do not")
        if self._engine.partitioned.obstacle:
            say.warning(self._engine.partitioned.obstacle)
        if fidelity is not None:
            say.info(f"fidelity was calibrated on {fidelity.images}, {fidelity.judged} of them as judges")
        elif parameters.min_fidelity > 0.0:
            say.warning(
                f"{parameters.model} has no calibration: only arms without loss and fp16 are used; "
                f"`neurosurgeon calibrate {parameters.model}` makes one"
            )
        if len(self._table.arms) == 1:
            say.warning("no arm may be sent to the edge: every frame stays on the robot")

    def activate(self) -> None:
        """Start the pipeline, and listen to camera and edge."""
        assert self._engine is not None and self._table is not None
        parameters = self.parameters
        # Frames are numbered from 1 again: no late answer to one before may be taken for one of these.
        self._identity = Identity(self._identity.robot_id, secrets.randbits(64))
        self._link = EdgeLink(self, namespace=parameters.edge_namespace, identity=self._identity, engine=self._engine)
        self._out = self.create_publisher(Detection2DArray, "detections", qos.DETECTIONS)
        self._drawn = self.create_publisher(Image, "detections/image", qos.SENSOR_DATA)
        self._decisions = self.create_publisher(PartitionDecision, "~/decision", qos.DECISION)
        labels = self.create_publisher(LabelInfo, "label_info", qos.LABELS)
        self._entities = [self._out, self._drawn, self._decisions, labels]
        header = Header(stamp=self.get_clock().now().to_msg())
        labels.publish(label_info(self._engine.model.labels, parameters.confidence, header))
        self._learner = Learner(
            parameters.policy,
            self._table,
            model=self._engine.fingerprint,
            speed=parameters.robot_speed,
            seed=parameters.seed,
            state_file=Path(parameters.state_file).expanduser() if parameters.state_file else None,
        )
        if self._learner.problem:
            self.say_error(f"starts without what was learnt before: {self._learner.problem}")
        processor = FrameProcessor(
            identity=self._identity,
            engine=self._engine,
            table=self._table,
            policy=self._learner.policy,
            policy_name=parameters.policy,
            key_frames=KeyFrameDetector(parameters.key_frame_threshold),
            uplink=self._link,
            sink=self,
            settings=self._settings(),
            pace=Pace(parameters.robot_speed),
            seed=parameters.seed,
        )
        self._pipeline = RobotPipeline(processor, self, on_problem=self.say_error, threads=parameters.threads)
        self._pipeline.start()
        self._link.connect(processor.conversation.inbox)
        camera = Intake(self).subscribe(
            Image,
            "image_raw",
            self._on_image,
            qos.SENSOR_DATA,
            max_bytes=MAX_BYTES + SMALL_BYTES,
            on_refusal=self._reject_image,
        )
        self._entities.append(camera)

    def deactivate(self) -> None:
        """Take no more frames, let the one under way come out, and go silent."""
        if self._pipeline is not None:
            self._pipeline.stop()
            self._pipeline = None
            self._save()
        if self._link is not None:
            self._link.close()
            self._link = None
        destroy(self, *self._entities)
        self._entities, self._out, self._drawn, self._decisions = [], None, None, None

    def _save(self) -> None:
        try:
            if self._learner is not None:
                self._learner.save()
        except OSError as problem:
            self.say_error(f"what was learnt cannot be saved: {problem}")

    def cleanup(self) -> None:
        """Let go of the network."""
        self._engine = self._table = None

    def parameters_changed(self) -> None:
        """Hand thresholds and deadline to the pipeline."""
        if self._pipeline is not None:
            self._pipeline.processor.settings = self._settings()

    def diagnostics(self) -> tuple[bytes, str, dict[str, object]]:
        """Say whether frames come and the edge helps."""
        assert self._engine is not None and self._pipeline is not None and self._link is not None
        counts, obstacle = self._pipeline.counts, self._link.obstacle()
        values: dict[str, object] = {
            "policy": self.parameters.policy,
            "partition points": len(self._engine.partitioned.points),
            "frames received": counts.received,
            "frames accepted": counts.accepted,
            "frames dropped": counts.dropped,
            "frames rejected": counts.rejected,
            "tensors with NaN or infinity": self._engine.unquantised,
            **{f"outcome {outcome.name.lower()}": number for outcome, number in self._outcomes.items()},
            **self._link.intake.diagnostics(),
        }
        if counts.received == 0:
            return DiagnosticStatus.WARN, "no image has come yet", values
        if obstacle:
            return DiagnosticStatus.WARN, f"works without the edge: {obstacle}", values
        return DiagnosticStatus.OK, "works with the edge", values

    # Camera in.

    def _on_image(self, message: Image) -> None:
        if self._pipeline is None:
            return
        try:
            check_image(message)
        except ImageRejected as problem:
            self._reject_image(str(problem))
            return
        self._pipeline.offer(Arrival(message.header, time.monotonic(), lambda: to_bgr(message)))

    def _reject_image(self, reason: str) -> None:
        if self._pipeline is not None:
            self._pipeline.reject()
            self.rejected(reason)

    # Results out; called from the pipeline's thread.

    def detections(self, result: FrameResult) -> None:
        """Publish the detections of an accepted frame, and draw them if anybody looks."""
        assert self._engine is not None and self._out is not None and self._drawn is not None
        labels = self._engine.model.labels
        self._out.publish(from_detections(result.detections, labels, result.header))
        self._outcomes[result.outcome] += 1
        if self._drawn.get_subscription_count() > 0:
            try:
                self._drawn.publish(from_bgr(self._draw(result), result.header))
            except Exception as problem:  # the picture is for people: the frame is answered without it
                self.say_error(f"frame {result.sequence} cannot be drawn: {type(problem).__name__}: {problem}")

    def decision(self, decision: Decision) -> None:
        """Publish what was chosen for an accepted frame."""
        assert self._engine is not None and self._decisions is not None
        if self._engine.unquantised:
            self._say_once(f"{decision.arm} gave NaN or infinity, which cannot be quantised and travels as fp32", _NAN)
        self._decisions.publish(from_decision(decision, self._identity.robot_id, self._identity.session))

    def rejected(self, reason: str) -> None:
        """Say once of each reason why an image was rejected."""
        self._say_once(f"image rejected: {shorten(reason)}", shorten(reason))

    def _say_once(self, text: str, kind: str) -> None:
        if kind not in self._complained and len(self._complained) < 100:
            self._complained.add(kind)
            self.say_error(text)

    def _draw(self, result: FrameResult) -> NDArray[np.uint8]:
        assert self._engine is not None
        names = [self._engine.model.labels[int(index)] for index in result.detections.classes]
        status = f"{result.arm}  {1e3 * result.total_s:.0f} ms  {result.outcome.name.lower()}"
        return draw_detections(result.image, result.detections.boxes, names, result.detections.scores, status)

    def _settings(self) -> RobotSettings:
        parameters = self.parameters
        return RobotSettings(
            deadline_s=parameters.deadline_ms / 1e3,
            confidence=parameters.confidence,
            iou=parameters.iou,
            fidelity_price_s=parameters.fidelity_price_ms / 1e3,
        )


def make_robot_node() -> RobotNode:
    """Make the node, and start it if it is to start by itself; raises StartError."""
    node = RobotNode()
    if node.parameters.autostart:
        node.autostart()
    return node


def main(args: list[str] | None = None) -> int:
    """Run the robot node until the process is told to stop; returns the exit code."""
    return run(make_robot_node, args)
