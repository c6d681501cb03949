# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Valid messages of every type that a node receives, to be damaged."""

from __future__ import annotations

import numpy as np
import torch
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, ObjectHypothesisWithPose

from neurosurgeon_ros.codecs import StreamCodec, TensorSpec
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello, Tensor
from neurosurgeon_ros.protocol.requests import PROTOCOL_VERSION, stream_checksum

FINGERPRINT = "f" * 64

#: Like the image of the shipped detectors, but smaller than any of them accepts.
IMAGE_SPEC = TensorSpec("image", (1, 3, 16, 24), "uint8", channels_last=True)


def hello(robot_id: str = "robot", session: int = 5) -> RobotHello:
    """Return a robot's hello."""
    return RobotHello(
        protocol_version=PROTOCOL_VERSION,
        robot_id=robot_id,
        session=session,
        fingerprint=FINGERPRINT,
        model="a model",
        node="/robot_node",
        host="host",
    )


def request(spec: TensorSpec, *, robot_id: str = "robot", session: int = 5, fingerprint: str = "") -> PartialInference:
    """Return a request for the whole network, with an image of a single grey."""
    return PartialInference(
        protocol_version=PROTOCOL_VERSION,
        robot_id=robot_id,
        session=session,
        sequence=1,
        header=Header(frame_id="camera"),
        fingerprint=fingerprint or FINGERPRINT,
        deadline=0.5,
        image_width=spec.shape[3],
        image_height=spec.shape[2],
        scale_x=1.0,
        scale_y=1.0,
        confidence_threshold=0.25,
        iou_threshold=0.45,
        tensors=[
            Tensor(
                name=spec.name,
                dtype=spec.dtype,
                shape=spec.shape,
                codec="uint8",
                data=np.full(np.prod(spec.shape), 128, np.uint8).tobytes(),
            )
        ],
    )


def stream(
    codec: StreamCodec,
    spec: TensorSpec,
    *,
    robot_id: str = "robot",
    session: int = 5,
    fingerprint: str = "",
    p: int = 0,
) -> tuple[PartialInference, ...]:
    """Return the requests for the first three frames of a stream: a key, and two that build on the one before."""
    encoder, requests = codec.encoder(spec), []
    still = np.broadcast_to(np.arange(spec.shape[-1]) % 200, spec.shape).copy()
    for sequence in (1, 2, 3):
        still[..., sequence] = 16 * sequence
        tensor = torch.tensor(still).to(dtype=getattr(torch, spec.dtype))
        if spec.channels_last:
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        encoded = encoder.encode(tensor, key=sequence == 1)
        message = request(spec, robot_id=robot_id, session=session, fingerprint=fingerprint)
        message.sequence, message.partition_point = sequence, p
        message.image_width, message.image_height = 64, 48
        message.reference, message.checksum = sequence - 1, stream_checksum([encoder.checksum])
        message.tensors = [
            Tensor(
                name=spec.name,
                dtype=spec.dtype,
                shape=spec.shape,
                codec=codec.name,
                scale=encoded.scale,
                zero_point=encoded.zero_point,
                data=bytes(encoded.data),
            )
        ]
        requests.append(message)
    return tuple(requests)


def probe(*, robot_id: str = "robot", session: int = 5, sequence: int = 1) -> PartialInference:
    """Return a probe of the link."""
    return PartialInference(
        protocol_version=PROTOCOL_VERSION,
        robot_id=robot_id,
        session=session,
        sequence=sequence,
        kind=PartialInference.PROBE,
        tensors=[Tensor(name="probe", dtype="uint8", shape=[4], codec="uint8", data=b"1234")],
    )


def feedback(
    robot_id: str = "robot", session: int = 5, *, status: int = DelayFeedback.FAILED, held: int = 0
) -> DelayFeedback:
    """Return the feedback for a frame."""
    return DelayFeedback(
        protocol_version=PROTOCOL_VERSION,
        robot_id=robot_id,
        session=session,
        sequence=1,
        compute_delay=0.1,
        held=held,
        status=status,
        error="it went wrong",
    )


def detections(robot_id: str = "robot", session: int = 5, label: str = "person") -> EdgeDetections:
    """Return the answer to a frame, with two detections."""
    found = Detection2D(header=Header(frame_id="camera"), results=[ObjectHypothesisWithPose()])
    found.results[0].hypothesis.class_id = label
    found.results[0].hypothesis.score = 0.5
    found.bbox.size_x = found.bbox.size_y = 3.0
    message = EdgeDetections(protocol_version=PROTOCOL_VERSION, robot_id=robot_id, session=session, sequence=1)
    message.detections.detections = [found, found]
    return message


def status(robot_id: str = "robot", session: int = 5, fingerprint: str = FINGERPRINT) -> EdgeStatus:
    """Return the status of an edge that serves a robot."""
    return EdgeStatus(
        protocol_version=PROTOCOL_VERSION,
        edge_id="edge",
        session=6,
        node="/edge_node",
        models=["a model"],
        fingerprints=[fingerprint],
        robots=[robot_id],
        robot_sessions=[session],
        load=0.5,
    )


def camera_info(width: int = 24, height: int = 16) -> CameraInfo:
    """Return a camera's calibration."""
    message = CameraInfo(header=Header(frame_id="camera"), width=width, height=height, distortion_model="plumb_bob")
    message.d = [0.01] * 5
    message.k = np.array([20.0, 0.0, 12.0, 0.0, 20.0, 8.0, 0.0, 0.0, 1.0])
    return message
