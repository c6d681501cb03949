# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service of every topic, in one place; see the table in docs/topics.md."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

from neurosurgeon_ros.ros.process.middleware import is_zenoh


def _reliable(depth: int) -> QoSProfile:
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


#: No warnings about peers with incompatible quality of service, for endpoints that come and go, see
#: :func:`neurosurgeon_ros.ros.process.process.run`. The peer logs the warning.
QUIET_PUBLISHER = PublisherEventCallbacks(use_default_callbacks=False)
QUIET_SUBSCRIPTION = SubscriptionEventCallbacks(use_default_callbacks=False)

#: Camera images and drawn images.
SENSOR_DATA = qos_profile_sensor_data

#: Camera images, if all their publishers offer it. A driver keeps ten images by default and can resend them. Images of
#: several megabytes arrive in fragments through the driver's small segment; with a depth of one, the next image would
#: replace the incomplete one. The robot takes each image on arrival, so no image waits here.
RELIABLE_IMAGES = _reliable(10)


def video_packets(reliability: ReliabilityPolicy) -> QoSProfile:
    """
    Return the profile for packets of a camera's video.

    Packets are small, and the ones after a missing one are of no use, so there is room for some seconds of them.
    """
    profile = _reliable(120)
    profile.reliability = reliability
    return profile


#: Detections of accepted frames.
DETECTIONS = _reliable(10)

#: Class names, also for late subscribers.
LABELS = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)

#: One decision per accepted frame.
DECISION = _reliable(100)

#: Tensors: a frame, a sample and a probe may be in transit at once. With a full history Fast DDS requests fragments
#: that are still queued, so the depth has room for one more message.
PARTIAL_INFERENCE = _reliable(4)


def requests_for(lifespan_s: float) -> QoSProfile:
    """
    Return the profile with which a robot publishes requests, each of which expires after `lifespan_s` seconds.

    A reader asks every 30 ms for the fragments that it has not received. On a link that needs longer for a message, the
    writer sends these fragments again and again. They fill the link's queue, and the message may never be complete. The
    lifespan ends this. Only publishers have one, because a subscription would compare the clocks of two machines.

    Zenoh drops a message of several fragments as soon as its queue is full for 50 ms, unless the history is KEEP_ALL
    (rmw_zenoh issue 543). Then `publish` blocks instead. Its publisher keeps no messages, so this takes no memory.
    """
    profile = _reliable(PARTIAL_INFERENCE.depth)
    if is_zenoh():
        profile.history = HistoryPolicy.KEEP_ALL
    profile.lifespan = Duration(seconds=lifespan_s)
    return profile


def requests_of(robots: int) -> QoSProfile:
    """
    Return the profile with which an edge subscribes to requests: the depth of a robot's publisher for each robot.

    All robots share the topic. With a smaller depth, simultaneous requests replace others before they are taken.
    """
    return _reliable(PARTIAL_INFERENCE.depth * robots)


#: The edge's answers.
ANSWERS = _reliable(16)

#: Hello and status, 2 Hz.
PRESENCE = _reliable(8)

#: Hellos of many robots, with room for those that arrive while the executor is blocked.
HELLOS_OF_ALL = _reliable(256)

#: /diagnostics.
DIAGNOSTICS = _reliable(10)
