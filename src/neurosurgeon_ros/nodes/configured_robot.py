# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parts of a robot that exist from configure to cleanup: its network, and the arms measured on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rclpy.impl.rcutils_logger import RcutilsLogger

from neurosurgeon_ros.calibration.admission import Admission, expand
from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.calibration.fidelity import FidelityTable, find_fidelity, read_fidelity_of
from neurosurgeon_ros.calibration.kept_delays import KeptDelays
from neurosurgeon_ros.calibration.online.kept import find_kept
from neurosurgeon_ros.calibration.online.progress import Progress
from neurosurgeon_ros.calibration.table_builder import TableBuilder
from neurosurgeon_ros.camera.transports import COMPRESSED, RAW, VIDEO_TRANSPORTS, why_unusable
from neurosurgeon_ros.codecs import AS_RECEIVED_IMAGE, AS_RECEIVED_VIDEO
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Policy
from neurosurgeon_ros.nodes.network_notes import log_network
from neurosurgeon_ros.nodes.robot_parameters import ARM_PARAMETERS, RobotParameters
from neurosurgeon_ros.robot.auto_calibration.calibrator import FRAMES
from neurosurgeon_ros.robot.saved_policy import SavedPolicy
from neurosurgeon_ros.ros.hellos import Hellos

# The codec that forwards what a camera sends, by its transport.
_AS_RECEIVED = {RAW: "", COMPRESSED: AS_RECEIVED_IMAGE, **dict.fromkeys(VIDEO_TRANSPORTS, AS_RECEIVED_VIDEO)}


class ConfiguredRobot:
    """
    Loads the network and measures every arm on construction.

    :param robot_id: this robot's id.
    :param hellos: claims and holds the id.
    :raises ValueError: if the network cannot be loaded or partitioned, or a parameter names
        something that the network does not have, or the camera's transport needs something that is not installed.

    :ivar progress: progress of the network's calibration by this robot; None if it needs none, or must not make one.
    :ivar problems: files of calibrations that were refused, one sentence each.
    :ivar table: the arms that were measured last.
    :ivar measured: the parameters for which they were measured.
    """

    def __init__(self, robot_id: str, hellos: Hellos, parameters: RobotParameters) -> None:
        lacking = why_unusable(parameters.image_transport)
        if lacking:
            raise ValueError(lacking)
        self.robot_id = robot_id
        self.hellos = hellos
        weights = Path(parameters.weights) if parameters.weights else None
        labels = Path(parameters.labels) if parameters.labels else None
        self.engine = Engine.load(
            parameters.model, weights=weights, random_weights=parameters.random_weights, labels=labels
        )
        self.progress: Progress | None = None
        self.problems: tuple[str, ...] = ()
        self._fidelity = self._find_fidelity(parameters)
        self._used_fidelity = self._fidelity
        self._builder = TableBuilder(
            self.engine,
            speed=parameters.robot_speed,
            threads=parameters.threads,
            as_received=_AS_RECEIVED[parameters.image_transport],
            kept=KeptDelays(),
        )
        self.table: ArmTable
        self.measured = parameters
        self._build(parameters)

    def _find_fidelity(self, parameters: RobotParameters) -> FidelityTable | None:
        if parameters.calibration:
            return read_fidelity_of(Path(parameters.calibration).expanduser(), self.engine.fingerprint)
        if not parameters.auto_calibrate:
            return find_fidelity(self.engine.fingerprint)
        kept = find_kept(self.engine.fingerprint)
        self.problems = kept.problems
        # With random weights agreement says nothing, and without a minimum there is nothing to find out.
        if not self.engine.model.random_weights and parameters.min_fidelity > 0.0:
            self.progress = kept.progress
        return kept.table

    def learn(self, fidelity: FidelityTable) -> None:
        """Use another calibration from the next :meth:`measure` on. Safe to call from any thread."""
        self._fidelity = fidelity

    @property
    def calibration(self) -> str:
        """Return what the network was calibrated on, for display."""
        if self._fidelity is not None:
            return f"{self._fidelity.judged} images: {self._fidelity.images}"
        return "none"

    def close(self) -> None:
        """Release the id."""
        self.hellos.close()

    def measure(self, wanted: RobotParameters, *, rate_hz: float = 0.0) -> ArmTable:
        """
        Return the arms for these parameters; they are measured again only if parameters or calibration have changed.

        :param rate_hz: the camera's images per second; 0 if it is unknown.
        """
        changed = any(getattr(self.measured, name) != getattr(wanted, name) for name in ARM_PARAMETERS)
        if changed or self._used_fidelity is not self._fidelity:
            self._build(wanted, rate_hz)
        self.measured = wanted
        return self.table

    def measure_in(self, pause: Callable[[], object]) -> None:
        """Call `pause` between the measurements of later arms."""
        self._builder.pause = pause

    def make_policy(self, parameters: RobotParameters, table: ArmTable, *, replaces: bool = False) -> SavedPolicy:
        """
        Make the policy that chooses among the arms of a table.

        :param replaces: as in :class:`.SavedPolicy`.
        """
        return SavedPolicy(
            parameters.policy,
            table,
            model=self.engine.fingerprint,
            speed=parameters.robot_speed,
            seed=parameters.seed,
            state_file=Path(parameters.state_file).expanduser() if parameters.state_file else None,
            replaces=replaces,
        )

    def make_fresh_policy(self, table: ArmTable, name: str) -> Policy:
        """Make a policy that has learnt nothing, for another edge. Safe to call from any thread."""
        parameters = self.measured
        return SavedPolicy(
            name,
            table,
            model=self.engine.fingerprint,
            speed=parameters.robot_speed,
            seed=parameters.seed,
            state_file=None,
        ).policy

    def refuse(self, wanted: RobotParameters) -> str:
        """Return why the network cannot satisfy these parameters; empty if it can."""
        try:
            admission_of(wanted, self._fidelity).admit(self.engine, ())
        except ValueError as problem:
            return str(problem)
        return ""

    def describe(self, log: RcutilsLogger, parameters: RobotParameters) -> None:
        """Log the loaded network and the measured arms, and anything that a user may not expect."""
        on_device_ms = 1e3 * self.table.robot_s[self.table.on_device]
        log.info(
            f"{parameters.model} {self.engine.fingerprint[:12]} on {self.robot_id}: "
            f"{named(self.table)}, {on_device_ms:.0f} ms on the device"
        )
        if self.engine.model.reading:
            log.info(self.engine.model.reading)
        log_network(log, self.engine, random_weights=parameters.random_weights)
        if self._fidelity is not None:
            log.info(f"fidelity was calibrated on {self._fidelity.images}")
        if self.progress is not None:
            until = "" if self._fidelity else "; until then only arms without loss and fp16 are used"
            seen = f", {self.progress.frames} of which were seen before" if self.progress.frames else ""
            log.info(f"{parameters.model} is calibrated in idle time, from the first {FRAMES} frames{seen}{until}")
        elif self._fidelity is None and parameters.min_fidelity > 0.0:
            log.warning(
                f"{parameters.model} has no calibration: only arms without loss and fp16 are used; "
                f"`neurosurgeon calibrate {parameters.model}` makes one"
            )
        for problem in self.problems:
            log.error(problem)
        if len(self.table.arms) == 1:
            log.warning("no arm may be sent to the edge: every frame stays on the robot")

    def _build(self, parameters: RobotParameters, rate_hz: float = 0.0) -> None:
        fidelity = self._fidelity
        admission = admission_of(parameters, fidelity, rate_hz)
        codecs = expand(parameters.codecs, fidelity, as_received=_AS_RECEIVED[parameters.image_transport])
        self.table = self._builder.build(codecs, admission, parameters.fidelity_price_ms / 1e3)
        self._used_fidelity = fidelity


def named(table: ArmTable) -> str:
    """Return the number and names of a table's arms, for display."""
    return f"{len(table.arms)} arms ({', '.join(arm.name for arm in table.arms)})"


def admission_of(parameters: RobotParameters, fidelity: FidelityTable | None, rate_hz: float = 0.0) -> Admission:
    """Return the rules for arms that the parameters set."""
    return Admission(
        min_fidelity=parameters.min_fidelity,
        fidelity=fidelity,
        allow_raw_images=parameters.allow_raw_images,
        min_partition_point=parameters.min_partition_point,
        rate_hz=rate_hz,
    )
