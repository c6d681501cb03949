# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The parameters of robot_node, and which of them ask for what when they change while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from neurosurgeon_ros.calibration.admission import AUTO
from neurosurgeon_ros.camera.images import RAW, TRANSPORTS
from neurosurgeon_ros.codecs import CODECS
from neurosurgeon_ros.learning import DEFAULT_POLICY, POLICIES
from neurosurgeon_ros.models import MODELS, OWN_MODEL
from neurosurgeon_ros.ros.parameters import parameter
from neurosurgeon_ros.ros.process.dds import DDS_TRANSPORTS, Transport

#: Changing one of these asks for other arms, which have to be measured.
ARM_PARAMETERS = ("codecs", "min_fidelity", "allow_raw_images", "min_partition_point")


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
    image_transport: str = parameter(
        RAW, "how images come: on `image_raw`, or compressed on `image_raw/compressed`", choices=TRANSPORTS
    )
    policy: str = parameter(DEFAULT_POLICY, "how the arm of each frame is chosen", choices=POLICIES, live=True)
    state_file: str = parameter("", "where the policy goes on from and saves what it learnt; empty: nowhere")
    codecs: tuple[str, ...] = parameter(
        (AUTO,),
        "codecs that tensors may travel with; `auto`: all that `min_fidelity` admits",
        choices=(AUTO, *CODECS),
        live=True,
    )
    min_fidelity: float = parameter(
        0.95,
        "least agreement with the whole network, as `neurosurgeon calibrate` measured it for each arm; without a "
        "calibration only arms without loss and fp16 are used; 0: any arm",
        low=0.0,
        high=1.0,
        live=True,
    )
    fidelity_price_ms: float = parameter(
        0.5,
        "delay by which an arm counts as slower for each hundredth of agreement that it loses",
        unit="ms",
        low=0.0,
        high=1000.0,
        live=True,
    )
    allow_raw_images: bool = parameter(
        True, "whether the image may travel to the edge, rather than what became of it", live=True
    )
    min_partition_point: str = parameter(
        "", "name of the earliest partition point that may be sent; empty: any", live=True
    )
    deadline_ms: float = parameter(
        0.0,
        "after which a frame that the edge has not answered is finished on the robot; "
        "0: from the camera's rate and the on-device delay",
        unit="ms",
        low=0.0,
        high=60000.0,
        live=True,
    )
    max_in_flight: int = parameter(
        1,
        "frames that may be on their way to the edge at once: more frames a second, and no shorter delays",
        low=1,
        high=8,
        live=True,
    )
    confidence: float = parameter(0.25, "detections with a lower score are left out", low=0.0, high=1.0, live=True)
    iou: float = parameter(0.45, "overlap above which the weaker box of a class goes", low=0.0, high=1.0, live=True)
    key_frame_threshold: float = parameter(
        0.8,
        "similarity (SSIM) with the previous frame below which a frame is a key frame",
        low=-1.0,
        high=1.0,
        live=True,
    )
    marker_range: float = parameter(
        10.0, "how far the boxes' frustums reach in `detections/markers`", unit="m", low=0.1, high=1000.0, live=True
    )
    robot_speed: float = parameter(
        1.0, "speed of the emulated robot as a fraction of this computer's; 1: no emulation", low=0.01, high=1.0
    )
    threads: int = parameter(0, "threads of the front-end; 0: as many as there are cores", low=0, high=256)
    seed: int = parameter(0, "of whatever is drawn at random", low=0, high=2**31 - 1)
    transport: str = parameter(
        Transport.AUTO.value,
        "between processes on one machine: shared memory where both can use it, or `udp` alone",
        choices=DDS_TRANSPORTS,
    )
    autostart: bool = parameter(True, "configure and activate at start, without a lifecycle manager")
