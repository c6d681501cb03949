# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a robot that exist from activate to deactivate: camera, pipeline, edge and publishers."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack

from neurosurgeon_ros.calibration.fidelity import FidelityTable
from neurosurgeon_ros.camera.camera import Camera
from neurosurgeon_ros.camera.transports import transport_topic
from neurosurgeon_ros.diagnostics.robot_health import SILENCE_S, Health, Trend, level, stream_values
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.nodes.auto_calibration import make_calibrator
from neurosurgeon_ros.nodes.configured_robot import ConfiguredRobot, named
from neurosurgeon_ros.nodes.links.edge_link import EdgeLink
from neurosurgeon_ros.nodes.links.edge_links import EdgeLinks
from neurosurgeon_ros.nodes.robot_outputs import RobotOutputs
from neurosurgeon_ros.nodes.robot_parameters import ARM_PARAMETERS, RobotParameters, robot_settings
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.robot.arrival import Arrival
from neurosurgeon_ros.robot.auto_calibration.calibrator import Calibrator, Reports
from neurosurgeon_ros.robot.decision import Decision, FrameResult
from neurosurgeon_ros.robot.latest_job import LatestJobRunner
from neurosurgeon_ros.robot.pipeline import RobotPipeline
from neurosurgeon_ros.robot.processor import FrameProcessor
from neurosurgeon_ros.robot.saved_policy import SavedPolicy
from neurosurgeon_ros.robot.uplink.inbox import Inbox
from neurosurgeon_ros.robot.uplink.uplink import request_lifespan_s
from neurosurgeon_ros.ros.intake import shorten, without_numbers
from neurosurgeon_ros.ros.managed import ManagedNode

#: Seconds without an image after which images are considered missing, if somebody publishes them.
MISSED_S = 1.0


class ActiveRobot:
    """
    Starts everything on construction, and is the pipeline's sink. A frame goes from the camera to :meth:`_on_arrival`.

    :param identity: identity of this activation; the id is already held.
    :param complain: called with an error and its kind; each kind is logged once.
    """

    def __init__(
        self,
        node: ManagedNode[RobotParameters],
        configured: ConfiguredRobot,
        identity: Identity,
        *,
        complain: Callable[[str, str], None],
    ) -> None:
        parameters, engine = node.parameters, configured.engine
        self._node, self._configured, self._complain = node, configured, complain
        table = configured.measure(parameters)
        self._health = Health(time.monotonic())
        self._silence, self._silent_s, self._lossy = "", 0.0, False
        self._has_learnt = False
        self._calibrator: Calibrator | None = None
        with ExitStack() as stack:
            self._outputs = RobotOutputs(
                node,
                identity,
                engine.model.labels,
                confidence=parameters.confidence,
                camera_info=lambda: self._camera.info,
                say=self._complain_once,
            )
            stack.callback(self._outputs.close)
            self._outputs.marker_range_m = parameters.marker_range
            self.links = EdgeLinks(
                node,
                configured.hellos,
                namespace=parameters.edge_namespace,
                admitted=parameters.edges,
                identity=identity,
                engine=engine,
                lifespan_s=request_lifespan_s(table, parameters.deadline_ms / 1e3),
            )
            stack.callback(self.links.close)
            self._policy = self._load_policy(parameters)
            self._key_frames = KeyFrameDetector(parameters.key_frame_threshold)
            processor = FrameProcessor(
                identity=identity,
                engine=engine,
                table=table,
                policy=self._policy.policy,
                policy_name=parameters.policy,
                key_frames=self._key_frames,
                link=self.links.first,
                sink=self,
                settings=robot_settings(parameters),
                throttle=Throttle(parameters.robot_speed),
                make_policy=configured.make_fresh_policy,
                seed=parameters.seed,
            )
            self._pipeline = RobotPipeline(processor, self, on_problem=node.say_error, threads=parameters.threads)
            self._pipeline.start()
            stack.callback(self._save)
            stack.callback(self._pipeline.stop)
            self._replacing = LatestJobRunner(self._replace_policy, on_problem=self._say_kept)
            stack.callback(self._replacing.close)
            self._calibrator = make_calibrator(
                configured,
                lambda: node.parameters,
                idle=self._pipeline.idle,
                image_topic=transport_topic(node, parameters.image_transport),
                reports=Reports(use=self._learn, say=node.get_logger().info, problem=node.say_error),
            )
            configured.measure_in(self._pipeline.idle.wait_briefly)
            stack.callback(self._end_calibration)
            if self._calibrator is not None:
                self._calibrator.start()
            inbox = processor.uplink.requests.inbox
            self.links.connect(inbox, add=self._add_edge, remove=processor.edges.remove)
            self._camera = Camera(
                node,
                parameters.image_transport,
                significant_bits=parameters.significant_bits,
                take=self._on_arrival,
                reject=self._on_rejected,
                skip=self._pipeline.reject,
            )
            stack.callback(self._camera.close)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Accept no more frames, finish the current one, save what the policy has learnt, and destroy everything."""
        self._stack.close()

    def expected_from(self) -> tuple[str, ...]:
        """Return the topics of edge and camera while they are silent."""
        status = () if self.links.edges else (self.links.status_topic,)
        return (*status, self._camera.topic) if self._silent_s > MISSED_S else status

    def _add_edge(self, edge: str, link: EdgeLink) -> Inbox:
        return self._pipeline.processor.edges.add(edge, link).requests.inbox

    # Incoming frames: offered to the pipeline's slot, from which robot/pipeline.py takes them.

    def _on_arrival(self, arrival: Arrival) -> None:
        self._pipeline.offer(arrival)

    def _on_rejected(self, reason: str) -> None:
        self._pipeline.reject()
        self.rejected(reason)

    # Finished frames: called from the pipeline's thread.

    def detections(self, result: FrameResult) -> None:
        """Publish the detections of an accepted frame."""
        try:
            self._outputs.detections(result)
        except Exception:
            self._health.lost(time.monotonic())
            raise
        if self._calibrator is not None:
            self._calibrator.see(result.image, time.monotonic())

    def decision(self, decision: Decision) -> None:
        """Publish the decision for an accepted frame."""
        if self._configured.engine.unquantised:
            text = f"{decision.arm} gave NaN or infinity, which cannot be quantised and travels as fp32"
            self._complain(text, "NaN")  # one kind for all arms
        problem = self._pipeline.processor.streams.problem
        if problem:
            self._complain(problem, problem.partition(":")[0])
        self._health.decided(decision, time.monotonic())
        self._outputs.decision(decision)

    def rejected(self, reason: str) -> None:
        """Log why an image was rejected, once for each reason. Reasons that differ only in numbers are one."""
        text = f"image rejected: {shorten(reason)}"
        self._complain(text, without_numbers(text))

    # Parameters.

    def change(self, before: RobotParameters, wanted: RobotParameters) -> None:
        """Apply changed parameters from the next frame on, or as soon as the arms that they require are measured."""
        self._pipeline.processor.settings = robot_settings(wanted)
        self._key_frames.threshold = wanted.key_frame_threshold
        self._outputs.marker_range_m = wanted.marker_range
        if wanted.confidence != before.confidence:
            self._outputs.say_labels(wanted.confidence)
        if any(getattr(before, name) != getattr(wanted, name) for name in ("policy", *ARM_PARAMETERS)):
            self._replacing.submit(wanted)

    def _replace_policy(self, wanted: RobotParameters) -> None:
        """Give the pipeline another policy and its arms; runs in a separate thread, so that frames continue."""
        table = self._configured.measure(wanted, rate_hz=self._pipeline.processor.rate_hz)
        policy = self._load_policy(wanted, replaces=self._has_learnt and not self._policy.problem)
        self._pipeline.processor.replace(table, policy.policy, wanted.policy)
        self._policy = policy
        self._node.get_logger().info(f"from the next frame on: {wanted.policy}, {named(table)}")

    def _say_kept(self, problem: str) -> None:
        self._node.say_error(f"policy and codecs stay as they were: {problem}")

    def _load_policy(self, parameters: RobotParameters, *, replaces: bool = False) -> SavedPolicy:
        policy = self._configured.make_policy(parameters, self._configured.table, replaces=replaces)
        if policy.problem:
            self._node.say_error(f"starts without what was learnt before: {policy.problem}")
        return policy

    def _learn(self, fidelity: FidelityTable) -> None:
        """Use the arms of the robot's own calibration; runs in the calibrator's thread."""
        self._has_learnt = True
        self._configured.learn(fidelity)
        self._replacing.submit(self._node.parameters)

    def _end_calibration(self) -> None:
        if self._calibrator is not None:
            self._calibrator.close()
            if self._calibrator.is_done:
                self._configured.progress = None
        self._configured.measure_in(lambda: None)

    def _save(self) -> None:
        try:
            self._policy.save()
        except OSError as problem:
            self._node.say_error(f"what was learnt cannot be saved: {problem}")

    # Diagnostics.

    def diagnostics(self, rival: str) -> tuple[bytes, str, dict[str, object]]:
        """
        Return the diagnostics: whether images arrive, and whether the edge is used.

        :param rival: one sentence about another robot that sends hellos with this robot's id; empty if there is none.
        """
        counts, edges, engine = self._pipeline.counts, self._pipeline.processor.edges, self._configured.engine
        uplink, link = edges.used.uplink, self.links.link(edges.used.name)
        obstacle, edge = link.obstacle(), link.edge
        trend = self._health.trend(counts, time.monotonic())
        for problem in (self._camera.mismatch(), rival, uplink.pacer.notice, *self.links.mistakes):
            if problem:
                self._complain_once(problem)
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
            "policy": self._configured.measured.policy,
            "arms": len(self._configured.table.arms),
            "calibration": self._configured.calibration,
            "auto-calibration": "off" if self._calibrator is None else self._calibrator.status(),
            "partition points": len(engine.partitioned.points),
            "tensors with NaN or infinity": engine.unquantised,
            "circuit breaker": uplink.breaker.state.name.lower().replace("_", "-"),
            "circuit breaker opened": uplink.breaker.opened,
            "frames promised by the edge [Hz]": f"{uplink.pacer.rate:.1f}" if uplink.pacer.rate else "no limit",
            "edge": edge.edge_id if edge is not None else "none",
            "edges": self.links.describe(edges.expected_s),
            "moves between edges": edges.moves,
            "edge load": f"{edge.load:.2f}" if edge is not None else "unknown",
            "edge queue length": edge.queue_length if edge is not None else "unknown",
            "answers to no request": uplink.requests.strays,
            **stream_values(self._pipeline.processor.streams.counts),
            **self.links.intake.diagnostics(),
        }
        why = "" if obstacle is None else obstacle.text
        topic, waits_for = self._camera.topic, self._camera.waits_for()
        how, text = level(trend, obstacle=why, image_topic=topic, silence=silence, losses=losses, waits_for=waits_for)
        return how, text, values

    def _look_at_images(self, trend: Trend) -> tuple[str, str]:
        """Log why no images arrive or many are lost, once for each cause, and log when images arrive again."""
        log, topic = self._node.get_logger(), self._camera.topic
        self._silent_s = trend.silent_s
        silence = self._camera.why_silent() if trend.silent_s > SILENCE_S else ""
        if silence and silence != self._silence and not self._camera.mismatch():
            log.warning(f"no image has come on {topic} for {trend.silent_s:.0f} s: {silence}")
        elif self._silence and not silence:
            log.info(f"images come on {topic}")
        self._silence = silence
        losses = self._camera.why_lossy()
        if losses and not self._lossy:
            log.warning(losses)
        self._lossy = bool(losses)
        return silence, losses

    def _complain_once(self, text: str) -> None:
        self._complain(text, text)
