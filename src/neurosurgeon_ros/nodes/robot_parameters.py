# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of robot_node, and those that require new arms when they change at run time."""

from __future__ import annotations

from dataclasses import dataclass

from neurosurgeon_ros.calibration.admission import AUTO
from neurosurgeon_ros.camera.encodings import MAX_BITS
from neurosurgeon_ros.camera.transports import RAW, TRANSPORTS
from neurosurgeon_ros.codecs import CODECS, STREAM_CODECS
from neurosurgeon_ros.learning import DEFAULT_POLICY, POLICIES
from neurosurgeon_ros.models import MODELS, OWN_MODEL
from neurosurgeon_ros.protocol.presence import ANY_EDGE
from neurosurgeon_ros.robot.decision import RobotSettings
from neurosurgeon_ros.ros.parameters import parameter
from neurosurgeon_ros.ros.process.dds import DDS_TRANSPORTS, Transport

#: Changing one of these requires other arms, which must be measured.
ARM_PARAMETERS = ("codecs", "min_fidelity", "allow_raw_images", "min_partition_point")


@dataclass(frozen=True, slots=True)
class RobotParameters:
    """Parameters of robot_node."""

    model: str = parameter(
        "yolov3_tiny",
        "network to share with the edge",
        choices=MODELS,
        otherwise=OWN_MODEL,
    )
    weights: str = parameter("", "weights file; empty: the one in the cache folder")
    random_weights: bool = parameter(
        False, "use random weights, where only delays matter; must be the same on robot and edge"
    )
    labels: str = parameter(
        "",
        "file with the names of the classes: YAML with `names`, or one in each line; empty: the network's own; must be "
        "the same on robot and edge",
    )
    robot_id: str = parameter("", "id of this robot at the edge; empty: the node's fully qualified name")
    edge_namespace: str = parameter(
        "/neurosurgeon", "namespace of the topics between robot and edge; must be the same on both", namespace=True
    )
    edges: tuple[str, ...] = parameter(
        (ANY_EDGE,),
        "edges that may be used, of those that serve the model; `any`: all",
        choices=(ANY_EDGE,),
        otherwise=(r"[a-z][a-z0-9_]{0,63}", "the id of an edge"),
    )
    image_transport: str = parameter(
        RAW,
        "transport of the camera's images: `image_raw`, `image_raw/compressed`, or a video on `image_raw/ffmpeg` or "
        "`image_raw/foxglove`",
        choices=TRANSPORTS,
    )
    significant_bits: int = parameter(
        0, "bits that the camera uses of the 16 bits of a value, counted from the lowest; 0: all", low=0, high=MAX_BITS
    )
    policy: str = parameter(DEFAULT_POLICY, "policy that chooses the arm of each frame", choices=POLICIES, live=True)
    state_file: str = parameter(
        "", "file from which the policy restores what it learnt, and to which it saves; empty: none"
    )
    codecs: tuple[str, ...] = parameter(
        (AUTO,),
        "codecs that tensors may be sent with; `auto`: all that `min_fidelity` admits, with memory only if calibrated",
        choices=(AUTO, *CODECS, *STREAM_CODECS),
        live=True,
    )
    min_fidelity: float = parameter(
        0.95,
        "minimum agreement of an arm with the whole network, as measured by `neurosurgeon calibrate` or by the robot; "
        "without a calibration only lossless arms and fp16 are used; 0: any arm",
        low=0.0,
        high=1.0,
        live=True,
    )
    calibration: str = parameter(
        "",
        "file of the network's calibration for this robot's camera, written by `neurosurgeon calibrate`; empty: the "
        "one in the cache folder, or else the shipped one",
    )
    auto_calibrate: bool = parameter(
        True,
        "calibrate a network that has no calibration in idle time, from the first frames, and keep the result in the "
        "cache folder",
    )
    fidelity_price_ms: float = parameter(
        0.5,
        "delay that is added to an arm for each hundredth of agreement that it loses",
        unit="ms",
        low=0.0,
        high=1000.0,
        live=True,
    )
    allow_raw_images: bool = parameter(True, "whether the image itself may be sent to the edge", live=True)
    min_partition_point: str = parameter(
        "", "earliest partition point whose tensors may be sent, by name; empty: any", live=True
    )
    deadline_ms: float = parameter(
        0.0,
        "delay after which the robot finishes a frame that the edge has not answered; "
        "0: derived from the camera's rate and the on-device delay",
        unit="ms",
        low=0.0,
        high=60000.0,
        live=True,
    )
    max_in_flight: int = parameter(
        1,
        "maximum number of frames on their way to the edge at once; more give a higher rate, not shorter delays",
        low=1,
        high=8,
        live=True,
    )
    confidence: float = parameter(0.25, "minimum score of a detection", low=0.0, high=1.0, live=True)
    iou: float = parameter(
        0.45, "overlap above which the weaker box of a class is suppressed", low=0.0, high=1.0, live=True
    )
    key_frame_threshold: float = parameter(
        0.8,
        "similarity (SSIM) with the previous frame below which a frame is a key frame",
        low=-1.0,
        high=1.0,
        live=True,
    )
    marker_range: float = parameter(
        10.0, "length of the boxes' frustums in `detections/markers`", unit="m", low=0.1, high=1000.0, live=True
    )
    robot_speed: float = parameter(
        1.0, "speed of an emulated robot as a fraction of this computer's; 1: no emulation", low=0.01, high=1.0
    )
    threads: int = parameter(0, "threads of the front-end; 0: one per core", low=0, high=256)
    seed: int = parameter(0, "seed of everything that is drawn at random", low=0, high=2**31 - 1)
    transport: str = parameter(
        Transport.AUTO.value,
        "transport between processes on one machine; `auto`: shared memory where both can use it, else UDP",
        choices=DDS_TRANSPORTS,
    )
    autostart: bool = parameter(True, "configure and activate the node at start, without a lifecycle manager")
    bond_heartbeat_period: float = parameter(
        0.1,
        "time between two heartbeats for nav2's lifecycle manager, if `autostart` is false and the package bond is "
        "installed; 0: no bond",
        unit="s",
        low=0.0,
        high=1.0,
    )


def robot_settings(parameters: RobotParameters) -> RobotSettings:
    """Return the settings that can change while the robot runs."""
    return RobotSettings(
        deadline_s=parameters.deadline_ms / 1e3,
        confidence=parameters.confidence,
        iou=parameters.iou,
        fidelity_price_s=parameters.fidelity_price_ms / 1e3,
        max_in_flight=parameters.max_in_flight,
    )
