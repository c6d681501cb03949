# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Streams of a simulated robot, with the robot's own rules for when a frame has to be a key."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.learning.interface import BoolArray, FloatArray
from neurosurgeon_ros.protocol.requests import Feedback, Key
from neurosurgeon_ros.robot.streams.stream import Stream
from neurosurgeon_ros.robot.uplink.outstanding import OutstandingRequest
from neurosurgeon_ros.simulation.streams.bytes import StreamBytes


class SimulatedStreams:
    """
    The streams of a robot to its edge, without encoders and decoders.

    As on a robot, a frame builds on the newest frame of its arm. It is a key if there is none, if that one is too old,
    if its answer is missing, or if the edge has restarted. The memory suffices for all streams.

    :param arms: the robot's arms.
    :param is_outstanding: returns whether a request can still be answered.
    """

    def __init__(self, truth: StreamBytes, arms: tuple[Arm, ...], *, is_outstanding: Callable[[Key], bool]) -> None:
        self._truth = truth
        self._arms = arms
        self._is_outstanding = is_outstanding
        self._streams: dict[int, Stream] = {}
        self._arrived_s: dict[int, float] = {}
        self._edge_session = 0

    def follow(self, now_s: float) -> None:
        """Begin every stream again if the edge has restarted by `now_s`, in seconds since the start of the run."""
        session = int(self._truth.session(now_s))
        if session != self._edge_session:
            self._streams.clear()
        self._edge_session = session

    def keys_due(self, now_s: float) -> BoolArray:
        """Return for which arms a frame would have to be a stream's key now; shape (n,). Call :meth:`follow` before."""
        due = np.zeros(len(self._arms), dtype=np.bool_)
        for arm in self._truth.arms:
            stream = self._streams.get(int(arm))
            if stream is not None:
                stream.settle(self._is_outstanding)
            due[arm] = stream is None or stream.needs_key(now_s)
        return due

    def frame_bytes(self, usual: FloatArray, keys_due: BoolArray, arrived_s: float) -> FloatArray:
        """
        Return the bytes of a frame with each arm, shape (n,).

        :param usual: bytes of the arms whose codec has no memory. Shape (n,).
        :param keys_due: result of :meth:`keys_due`.
        :param arrived_s: time at which the frame's image arrived.
        """
        sent = usual.copy()
        for arm in map(int, self._truth.arms):
            gap_s = arrived_s - self._arrived_s.get(arm, arrived_s)
            sent[arm] = self._truth.key_bytes[arm] if keys_due[arm] else float(self._truth.later(arm, gap_s))
        return sent

    def sent(self, arm: int, request: OutstandingRequest, *, is_key: bool, arrived_s: float, now_s: float) -> None:
        """
        Record that a frame was sent with an arm whose codec has memory.

        :param arrived_s: time at which its image arrived.
        :param now_s: time at which the robot chose the arm.
        """
        stream = self._streams.setdefault(arm, Stream(self._arms[arm]))
        stream.used_s = now_s
        stream.sent(request, is_key=is_key)
        self._arrived_s[arm] = arrived_s


def held(request: OutstandingRequest) -> Feedback:
    """Return the feedback of an edge that has decoded a request, and holds its frame if it belongs to a stream."""
    return Feedback(request.key, held=request.key.sequence)
