# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, in one place; see the table in docs/topics.md."""

from __future__ import annotations

from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data


def _reliable(depth: int) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


#: No word about peers of another quality of service, for endpoints that come and go, see
#: :func:`neurosurgeon_ros.ros.process.process.run`; the peer says it.
QUIET_PUBLISHER = PublisherEventCallbacks(use_default_callbacks=False)
QUIET_SUBSCRIPTION = SubscriptionEventCallbacks(use_default_callbacks=False)

#: Camera images and drawn images.
SENSOR_DATA = qos_profile_sensor_data

#: Camera images whose publishers all offer it. Ten are as many as a driver keeps by default and can send again. Images
#: of megabytes come in pieces through its small segment, and with one place the next image ends the one before it. The
#: robot takes each as it comes, so that none waits here.
RELIABLE_IMAGES = _reliable(10)

#: Detections of accepted frames.
DETECTIONS = _reliable(10)

#: Class names, for late subscribers too.
LABELS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

#: One decision per accepted frame.
DECISION = _reliable(100)

#: Tensors: a frame, a sample and a probe may be on their way at once. With a full history Fast DDS asks for fragments
#: that are still queued, so there is room for one more.
PARTIAL_INFERENCE = _reliable(4)


def requests_of(robots: int) -> QoSProfile:
    """
    Return what an edge subscribes to requests with: as many places for each robot as its publisher has.

    All robots share the topic. With fewer places, requests that come at once push out others before they are taken.
    """
    return _reliable(PARTIAL_INFERENCE.depth * robots)


#: The edge's answers.
ANSWERS = _reliable(16)

#: Hello and status, 2 Hz.
PRESENCE = _reliable(8)

#: Hellos as they are heard, with room for those of many robots that come while the executor is held up.
HELLOS_OF_ALL = _reliable(256)

#: /diagnostics.
DIAGNOSTICS = _reliable(10)
