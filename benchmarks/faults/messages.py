# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Broken and hostile messages between robot and edge."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message

from benchmarks.faults.fault import Fault, Inject
from benchmarks.faults.link import meddling
from benchmarks.faults.stage.relay import Fate
from neurosurgeon_ros.msg import DelayFeedback, EdgeDetections, EdgeStatus, PartialInference, RobotHello

GROUP = "messages"
TYPES: dict[str, Any] = {
    "hello": RobotHello,
    "partial_inference": PartialInference,
    "status": EdgeStatus,
    "detections": EdgeDetections,
    "delay_feedback": DelayFeedback,
}
REPLIES = ("detections", "delay_feedback")


def _changing(
    kinds: tuple[str, ...], change: Callable[[Any], None], *, beside: int = 0, seconds: float = 3.0
) -> Inject:
    """
    Return a fault that changes messages of some kinds.

    :param beside: 0 replaces the message with a changed one; n sends n changed copies before the unchanged message.
    """

    def meddle(generator: random.Random, kind: str, message: bytes) -> Fate | None:
        if kind not in kinds:
            return None
        changed = deserialize_message(message, TYPES[kind])
        change(changed)
        data = serialize_message(changed)
        return [(0.0, data)] * beside + [(0.0, message)] if beside else [(0.0, data)]

    return meddling(meddle, seconds)


def _version(message: Any) -> None:
    message.protocol_version = 999


def _fingerprint(message: Any) -> None:
    message.fingerprint = "0" * 64


def _session(message: Any) -> None:
    message.session ^= 1


def _sequence(message: Any) -> None:
    message.sequence += 1000


def _robot(message: Any) -> None:
    message.robot_id = "somebody_else"


def _tensors(message: Any) -> None:
    for tensor in message.tensors:
        tensor.shape = [4294967295] * 4
        tensor.codec = "raw\x01\x02"


def _sizes(message: Any) -> None:
    message.image_width = message.image_height = 4294967295
    message.scale_x, message.pad_x = float("nan"), float("inf")


def _nothing(message: Any) -> None:
    pass


def _garbage(generator: random.Random, kind: str, message: bytes) -> Fate:
    size = generator.choice((4, 8, 100, 10_000))
    return [(0.0, b"\x00\x01\x00\x00" + generator.randbytes(size)), (0.0, message)]


REFUSED = "the message is refused, and the frame finished on the robot"
STRAY = "an answer that matches no request is dropped, and each frame is answered once"
FAULTS = (
    Fault("answers of another protocol version", GROUP, REFUSED, _changing(REPLIES, _version)),
    Fault("requests of another protocol version", GROUP, REFUSED, _changing(("partial_inference",), _version)),
    Fault("requests for an unknown model", GROUP, REFUSED, _changing(("partial_inference",), _fingerprint)),
    Fault("answers for another session", GROUP, STRAY, _changing(REPLIES, _session, beside=1)),
    Fault("answers for another sequence", GROUP, STRAY, _changing(REPLIES, _sequence, beside=1)),
    Fault("answers for another robot", GROUP, STRAY, _changing(REPLIES, _robot, beside=1)),
    Fault("tensors of impossible shape and codec", GROUP, REFUSED, _changing(("partial_inference",), _tensors)),
    Fault("impossible image sizes", GROUP, REFUSED, _changing(("partial_inference",), _sizes)),
    Fault("every request five times", GROUP, STRAY, _changing(("partial_inference",), _nothing, beside=4)),
    Fault("every answer three times", GROUP, STRAY, _changing(REPLIES, _nothing, beside=2)),
    Fault("garbage on every topic", GROUP, "what cannot be read is dropped, and no node ends", meddling(_garbage, 4.0)),
)
