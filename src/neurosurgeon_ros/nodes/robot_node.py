# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The robot: takes camera images, shares the network with the edge, and gives one detections message for each."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from pathlib import Path

from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message, serialize_message

from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.msg import RobotHello
from neurosurgeon_ros.nodes.camera import Camera
from neurosurgeon_ros.nodes.edge_link import EdgeLink
from neurosurgeon_ros.nodes.health import SILENCE_S, Health, Trend, level
from neurosurgeon_ros.nodes.hellos import Hellos
from neurosurgeon_ros.nodes.images import COMPRESSED
from neurosurgeon_ros.nodes.intake import shorten
from neurosurgeon_ros.nodes.managed import ManagedNode, Refused, make
from neurosurgeon_ros.nodes.messages import hello
from neurosurgeon_ros.nodes.process import run
from neurosurgeon_ros.nodes.robot_outputs import RobotOutputs
from neurosurgeon_ros.nodes.robot_parameters import ARM_PARAMETERS, RobotParameters
from neurosurgeon_ros.runtime.admission import Admission, expand
from neurosurgeon_ros.runtime.arms import ArmTable
from neurosurgeon_ros.runtime.decision import Arrival, Decision, FrameResult, RobotSettings
from neurosurgeon_ros.runtime.engine import Engine
from neurosurgeon_ros.runtime.fidelity import FidelityTable, find_fidelity
from neurosurgeon_ros.runtime.kept_calibration import KeptCalibration
from neurosurgeon_ros.runtime.learner import Learner
from neurosurgeon_ros.runtime.pace import Pace
from neurosurgeon_ros.runtime.presence import new_secret, session_of, to_id
from neurosurgeon_ros.runtime.processor import FrameProcessor
from neurosurgeon_ros.runtime.protocol import Identity
from neurosurgeon_ros.runtime.rebuilding import Beside, TableBuilder
from neurosurgeon_ros.runtime.robot import RobotPipeline

#: Seconds without an image after which they are missed, if somebody publishes them.
MISSED_S = 1.0

# Said once, whichever arm it is.
_NAN = "NaN"


class RobotNode(ManagedNode[RobotParameters]):
    """ROS around :class:`neurosurgeon_ros.runtime.robot.RobotPipeline`, and its sink."""

    def __init__(self, overrides: Sequence[Parameter] = ()) -> None:
        super().__init__("robot_node", RobotParameters, overrides)
        self._identity = Identity("", 0)
        self._complained: set[str] = set()
        self._hellos: Hellos | None = None
        self._left: RobotHello | None = None
        # From configure to cleanup.
        self._engine: Engine | None = None
        self._fidelity: FidelityTable | None = None
        self._builder: TableBuilder | None = None
        self._table: ArmTable | None = None
        self._measured = self.parameters
        # From activate to deactivate.
        self._camera: Camera | None = None
        self._outputs: RobotOutputs | None = None
        self._link: EdgeLink | None = None
        self._learner: Learner | None = None
        self._key_frames: KeyFrameDetector | None = None
        self._pipeline: RobotPipeline | None = None
        self._replacing: Beside[RobotParameters] | None = None
        self._health = Health(time.monotonic())
        self._silence, self._silent_s, self._lossy = "", 0.0, False

    # Lifecycle.

    def configure(self) -> None:
        """Load the network, and measure every arm on this machine."""
        parameters = self.parameters
        weights = Path(parameters.weights) if parameters.weights else None
        self._identity = Identity(to_id(parameters.robot_id or self.get_fully_qualified_name()), 0)
        self._hellos = Hellos(self, parameters.edge_namespace, left=self._left)
        self._engine = Engine.load(parameters.model, weights=weights, random_weights=parameters.random_weights)
        self._fidelity = find_fidelity(self._engine.fingerprint)
        self._builder = TableBuilder(
            self._engine,
            speed=parameters.robot_speed,
            threads=parameters.threads,
            images_compressed=parameters.image_transport == COMPRESSED,
            kept=KeptCalibration(),
        )
        self._table = self._build_table(self._builder, parameters)
        self._measured = parameters
        self._say_what_was_made()

    def _say_what_was_made(self) -> None:
        assert self._engine is not None and self._table is not None
        say, parameters = self.get_logger(), self.parameters
        on_device_ms = 1e3 * self._table.robot_s[self._table.on_device]
        say.info(
            f"{parameters.model} {self._engine.fingerprint[:12]} on {self._identity.robot_id}: "
            f"{_named(self._table)}, {on_device_ms:.0f} ms on the device"
        )
        if parameters.random_weights:
            say.warning("the weights are random: delays mean something, detections do not")
        if self._engine.partitioned.obstacle:
            say.warning(self._engine.partitioned.obstacle)
        if self._fidelity is not None:
            say.info(f"fidelity was calibrated on {self._fidelity.images}")
        elif parameters.min_fidelity > 0.0:
            say.warning(
                f"{parameters.model} has no calibration: only arms without loss and fp16 are used; "
                f"`neurosurgeon calibrate {parameters.model}` makes one"
            )
        if len(self._table.arms) == 1:
            say.warning("no arm may be sent to the edge: every frame stays on the robot")

    def activate(self) -> None:
        """Start the pipeline, and listen to camera and edge."""
        assert self._engine is not None and self._builder is not None and self._table is not None
        assert self._hellos is not None
        parameters, engine = self.parameters, self._engine
        self._take_id()
        if _arms_differ(self._measured, parameters):
            self._table, self._measured = self._build_table(self._builder, parameters), parameters
        self._health = Health(time.monotonic())
        self._silence, self._silent_s, self._lossy = "", 0.0, False
        self._link = EdgeLink(
            self, self._hellos, namespace=parameters.edge_namespace, identity=self._identity, engine=engine
        )
        self._outputs = RobotOutputs(
            self,
            self._identity,
            engine.model.labels,
            confidence=parameters.confidence,
            camera_info=lambda: self._camera.info if self._camera is not None else None,
            say=self._say_once,
        )
        self._outputs.marker_range_m = parameters.marker_range
        self._learner = self._make_learner(parameters, self._table)
        self._key_frames = KeyFrameDetector(parameters.key_frame_threshold)
        processor = FrameProcessor(
            identity=self._identity,
            engine=engine,
            table=self._table,
            policy=self._learner.policy,
            policy_name=parameters.policy,
            key_frames=self._key_frames,
            uplink=self._link,
            sink=self,
            settings=_settings(parameters),
            pace=Pace(parameters.robot_speed),
            seed=parameters.seed,
        )
        self._pipeline = RobotPipeline(processor, self, on_problem=self.say_error, threads=parameters.threads)
        self._pipeline.start()
        self._replacing = Beside(self._replace, on_problem=self._say_kept)
        self._link.connect(processor.conversation.inbox)
        self._camera = Camera(self, parameters.image_transport, take=self._on_arrival, reject=self._on_rejected)

    def _take_id(self) -> None:
        """
        Take the robot's id, unless another robot has it.

        Frames are numbered from 1 again: by another session, no late answer to one before is taken for one of these.
        """
        assert self._hellos is not None and self._engine is not None
        secret = new_secret()
        self._identity = Identity(self._identity.robot_id, session_of(secret))
        message = hello(
            self._identity,
            self._engine.fingerprint,
            self._engine.model.name,
            node=self.get_fully_qualified_name(),
            host=socket.gethostname(),
        )
        holder = self._hellos.claim(message, secret)
        if holder is not None:
            raise Refused(
                f"the id {self._identity.robot_id} is held by another robot, {holder}: give each its own robot_id"
            )

    def deactivate(self) -> None:
        """Take no more frames, let the one under way come out, give the id back, and go silent."""
        if self._camera is not None:
            self._camera.close()
        if self._replacing is not None:
            self._replacing.close()
        if self._pipeline is not None:
            self._pipeline.stop()
            self._save()
        if self._link is not None:
            self._link.close()
        if self._hellos is not None:
            self._hellos.leave()
        if self._outputs is not None:
            self._outputs.close()
        self._camera = self._replacing = self._pipeline = self._link = self._outputs = None
        self._learner = self._key_frames = None

    def _save(self) -> None:
        try:
            if self._learner is not None:
                self._learner.save()
        except OSError as problem:
            self.say_error(f"what was learnt cannot be saved: {problem}")

    def cleanup(self) -> None:
        """Let go of the network."""
        if self._hellos is not None:
            self._hellos.close()
            self._left = self._hellos.goodbye
        self._hellos = self._engine = self._fidelity = self._builder = self._table = None

    def legacy(self) -> bytes:
        """Return the goodbye of the newest session: whoever begins as this robot again says it once more."""
        goodbye = self._hellos.goodbye if self._hellos is not None else self._left
        return b"" if goodbye is None else serialize_message(goodbye)

    def inherit(self, legacy: bytes) -> None:
        """Take over what :meth:`legacy` of the node before has returned."""
        self._left = deserialize_message(legacy, RobotHello) if legacy else None

    def expected_from(self) -> tuple[str, ...]:
        """Return the topics of edge and camera, while they are silent."""
        if self._link is None or self._camera is None:
            return ()
        status = () if self._link.edge is not None else (self._link.status_topic,)
        return (*status, self._camera.topic) if self._silent_s > MISSED_S else status

    # Parameters.

    def refuse(self, wanted: RobotParameters) -> str:
        """Say what the network that is loaded does not have."""
        if self._engine is not None:
            try:
                _admission(wanted, self._fidelity).admit(self._engine, ())
            except ValueError as problem:
                return str(problem)
        return ""

    def parameters_changed(self, before: RobotParameters) -> None:
        """Hand what has changed to the pipeline: it holds from the next frame on, or once its arms are measured."""
        parameters = self.parameters
        if self._pipeline is None or self._replacing is None or self._outputs is None or self._key_frames is None:
            return
        self._pipeline.processor.settings = _settings(parameters)
        self._key_frames.threshold = parameters.key_frame_threshold
        self._outputs.marker_range_m = parameters.marker_range
        if parameters.confidence != before.confidence:
            self._outputs.say_labels(parameters.confidence)
        if parameters.policy != before.policy or _arms_differ(before, parameters):
            self._replacing.ask(parameters)

    def _replace(self, wanted: RobotParameters) -> None:
        """Give the pipeline another policy and its arms; called beside it, so that frames go on meanwhile."""
        assert self._builder is not None and self._table is not None and self._pipeline is not None
        table = self._build_table(self._builder, wanted) if _arms_differ(self._measured, wanted) else self._table
        learner = self._make_learner(wanted, table)
        self._pipeline.processor.replace(table, learner.policy, wanted.policy)
        self._table, self._measured, self._learner = table, wanted, learner
        self.get_logger().info(f"from the next frame on: {wanted.policy}, {_named(table)}")

    def _say_kept(self, problem: str) -> None:
        self.say_error(f"policy and codecs stay as they were: {problem}")

    def _build_table(self, builder: TableBuilder, parameters: RobotParameters) -> ArmTable:
        admission = _admission(parameters, self._fidelity)
        return builder.build(expand(parameters.codecs), admission, parameters.fidelity_price_ms / 1e3)

    def _make_learner(self, parameters: RobotParameters, table: ArmTable) -> Learner:
        assert self._engine is not None
        learner = Learner(
            parameters.policy,
            table,
            model=self._engine.fingerprint,
            speed=parameters.robot_speed,
            seed=parameters.seed,
            state_file=Path(parameters.state_file).expanduser() if parameters.state_file else None,
        )
        if learner.problem:
            self.say_error(f"starts without what was learnt before: {learner.problem}")
        return learner

    # Diagnostics.

    def diagnostics(self) -> tuple[bytes, str, dict[str, object]]:
        """Say whether frames come and the edge helps."""
        assert self._engine is not None and self._pipeline is not None and self._link is not None
        assert self._camera is not None and self._table is not None
        counts, obstacle, edge = self._pipeline.counts, self._link.obstacle(), self._link.edge
        breaker = self._pipeline.processor.breaker
        trend = self._health.trend(counts, time.monotonic())
        for problem in (self._camera.mismatch(), self._rival()):
            if problem:
                self._say_once(problem)
        silence, losses = self._look_at_images(trend)
        values: dict[str, object] = {
            "frames in [Hz]": f"{trend.in_hz:.1f}",
            "frames out [Hz]": f"{trend.out_hz:.1f}",
            "frames dropped [Hz]": f"{trend.dropped_hz:.1f}",
            "frames received": counts.received,
            "frames accepted": counts.accepted,
            "frames dropped": counts.dropped,
            "frames rejected": counts.rejected,
            "images asked for": self._camera.profile.reliability.name.lower().replace("_", " "),
            "images lost before the robot": self._camera.losses.lost,
            **self._health.values(),
            "policy": self._measured.policy,
            "arms": len(self._table.arms),
            "partition points": len(self._engine.partitioned.points),
            "tensors with NaN or infinity": self._engine.unquantised,
            "circuit breaker": breaker.state.name.lower().replace("_", "-"),
            "circuit breaker opened": breaker.opened,
            "edge": edge.edge_id if edge is not None else "none",
            "edge load": f"{edge.load:.2f}" if edge is not None else "unknown",
            "edge queue length": edge.queue_length if edge is not None else "unknown",
            "answers to no request": self._pipeline.processor.conversation.strays,
            **self._link.intake.diagnostics(),
        }
        how_bad, text = level(trend, obstacle=obstacle, image_topic=self._camera.topic, silence=silence, losses=losses)
        return how_bad, text, values

    def _look_at_images(self, trend: Trend) -> tuple[str, str]:
        """Say in the log, once for each cause, why no images come or many are lost, and when they come again."""
        assert self._camera is not None
        self._silent_s = trend.silent_s
        silence = self._camera.why_silent() if trend.silent_s > SILENCE_S else ""
        if silence and silence != self._silence and not self._camera.mismatch():
            self.get_logger().warning(
                f"no image has come on {self._camera.topic} for {trend.silent_s:.0f} s: {silence}"
            )
        elif self._silence and not silence:
            self.get_logger().info(f"images come on {self._camera.topic}")
        self._silence = silence
        losses = self._camera.why_lossy()
        if losses and not self._lossy:
            self.get_logger().warning(losses)
        self._lossy = bool(losses)
        return silence, losses

    def _rival(self) -> str:
        """Say who else says hello with this robot's id: two that started at the same moment."""
        holder = self._hellos.holder(self._identity.robot_id) if self._hellos is not None else None
        name = self._identity.robot_id
        return f"another robot says hello as {name}, {holder}: give each its own robot_id" if holder else ""

    # Camera in.

    def _on_arrival(self, arrival: Arrival) -> None:
        if self._pipeline is not None:
            self._pipeline.offer(arrival)

    def _on_rejected(self, reason: str) -> None:
        if self._pipeline is not None:
            self._pipeline.reject()
            self.rejected(reason)

    # Results out; called from the pipeline's thread.

    def detections(self, result: FrameResult) -> None:
        """Publish the detections of an accepted frame."""
        assert self._outputs is not None
        try:
            self._outputs.detections(result)
        except Exception:
            self._health.lost(time.monotonic())
            raise

    def decision(self, decision: Decision) -> None:
        """Publish what was chosen for an accepted frame."""
        assert self._engine is not None and self._outputs is not None
        if self._engine.unquantised:
            self._say_once(f"{decision.arm} gave NaN or infinity, which cannot be quantised and travels as fp32", _NAN)
        self._health.decided(decision, time.monotonic())
        self._outputs.decision(decision)

    def rejected(self, reason: str) -> None:
        """Say once of each reason why an image was rejected."""
        self._say_once(f"image rejected: {shorten(reason)}")

    def _say_once(self, text: str, kind: str = "") -> None:
        kind = kind or text
        if kind not in self._complained and len(self._complained) < 100:
            self._complained.add(kind)
            self.say_error(text)


def _settings(parameters: RobotParameters) -> RobotSettings:
    return RobotSettings(
        deadline_s=parameters.deadline_ms / 1e3,
        confidence=parameters.confidence,
        iou=parameters.iou,
        fidelity_price_s=parameters.fidelity_price_ms / 1e3,
        max_in_flight=parameters.max_in_flight,
    )


def _admission(parameters: RobotParameters, fidelity: FidelityTable | None) -> Admission:
    return Admission(
        min_fidelity=parameters.min_fidelity,
        fidelity=fidelity,
        allow_raw_images=parameters.allow_raw_images,
        min_partition_point=parameters.min_partition_point,
    )


def _arms_differ(one: RobotParameters, other: RobotParameters) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in ARM_PARAMETERS)


def _named(table: ArmTable) -> str:
    return f"{len(table.arms)} arms ({', '.join(arm.name for arm in table.arms)})"


def make_robot_node() -> RobotNode:
    """Make the node, and start it if it is to start by itself; raises StartError."""
    return make(RobotNode)


def main(args: list[str] | None = None) -> int:
    """Run the robot node until the process is told to stop; returns the exit code."""
    return run(make_robot_node, args)
