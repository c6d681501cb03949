# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Model of each arm's delays on the robot, on the link and at the edge; each is learnt from its own durations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.adaptive.log_filter import LogFilter
from neurosurgeon_ros.learning.adaptive.priors import (
    EDGE_PRIOR,
    FRAGMENT_BYTES,
    FRAGMENT_COST,
    JOINT_PRIOR,
    LINK_PRIOR,
    ROBOT_PRIOR,
    Nominal,
)
from neurosurgeon_ros.learning.interface import FEATURES, Context, FloatArray, Kind, Observation

_PSI = FEATURES.index("psi")
_MACS = [FEATURES.index(name) for name in ("conv_macs", "fc_macs", "act_macs")]
_LAYERS = [FEATURES.index(name) for name in ("conv_layers", "fc_layers", "act_layers")]
#: Bytes of a small probe, which separates the round trip from the rate. A slow link may pass it in one burst: a probe
#: that takes less than this share of its expected time does not prove that the link is faster.
SMALL_PROBE, _BURST_SHARE = 2_000, 0.5
#: Additional variance of log y, beyond noise, if another request of this robot was on the link.
_OVERLAPPED = 0.5**2
#: Weight of the newest value in the running means of the queueing time and of the decoding factor.
_NEWEST = 0.3
#: Decoding time in seconds at which an observation has half its full weight for the decoding factor. Shorter times are
#: dominated by other work.
_TELLING_S = 2e-3
#: Standard deviations by which an optimistic delay is below its expectation.
HOPE = 2.0
#: Column of the bytes among the terms of the link.
_BYTES = 1


@dataclass(frozen=True, slots=True)
class Parts:
    """
    Parts of the model that can be switched off, to measure the effect of each part.

    :param features_in_seconds: terms are in nominal seconds; otherwise each feature is divided by its largest value,
        which counts as 0.1 s, and the model knows nothing about the proportions of the features.
    :param separate: link and edge are learnt separately, from the durations in the feedback; otherwise only their sum
        is learnt.
    :param track: the levels of link, edge and robot drift; otherwise they are stationary.
    :param detect: large residuals are classified as outliers or changes; otherwise all residuals are noise.
    :param censored: missed deadlines are learnt from; otherwise they are discarded.
    :param track_robot: the robot's stages are tracked; otherwise their calibrated durations are used.
    """

    features_in_seconds: bool = True
    separate: bool = True
    track: bool = True
    detect: bool = True
    censored: bool = True
    track_robot: bool = True


class DelayModel:
    """
    Learns the delays of all arms.

    :param n_arms: number of arms.
    :param nominal: nominal values, which are the units of the terms.
    :param parts: the parts that are switched on.
    """

    def __init__(self, n_arms: int, nominal: Nominal, parts: Parts) -> None:
        self._n_arms, self._nominal, self._parts = n_arms, nominal, parts
        link_prior = LINK_PRIOR if parts.separate else JOINT_PRIOR
        self.link = LogFilter(link_prior, n_arms, track=parts.track, detect=parts.detect)
        self.edge = LogFilter(EDGE_PRIOR, n_arms, track=parts.track, detect=parts.detect)
        self.robot = LogFilter(ROBOT_PRIOR, n_arms, track=parts.track, detect=parts.detect)
        self._queue_s, self._decode_factor = 0.0, 1.0
        self._now_s: float | None = None
        self._has_terms = False
        self._link_x = np.zeros((n_arms, len(link_prior.sd)))
        self._edge_x = np.zeros((n_arms, 4))

    @property
    def rate(self) -> float:
        """Return the expected rate of the link in bytes per second."""
        return self._nominal.bytes_per_s * float(np.exp(-self.link.mean[_BYTES]))

    def expect(self, context: Context, *, key_share: float = 1.0) -> Expectation:
        """
        Predict the delays of all arms at the context's time.

        :param key_share: share of the additional bytes of a stream's key that counts as this frame's, in (0, 1].
        """
        if self._now_s is not None:
            for learner in (self.link, self.edge, self.robot):
                learner.advance(context.now_s - self._now_s)
        self._now_s = context.now_s
        self._fill_terms(context)
        robot_s = context.robot_s
        if self._parts.track_robot:
            robot_s = self.robot.mean_of(context.robot_s[:, None])
        robot_s = robot_s + context.penalty_s
        key_s = samples_s = None
        if isinstance(context.sample_key_bytes, np.ndarray) and context.sample_key_bytes.any():
            samples_s = self._link_s_with(context, context.sample_key_bytes)
        if isinstance(context.key_bytes, np.ndarray) and context.key_bytes.any():
            key_s = self._link_s_with(context, context.key_bytes)
            self._link_terms(self._link_x.T, context.features[:, _PSI] + key_share * context.key_bytes)
        elif samples_s is not None:
            self._link_terms(self._link_x.T, context.features[:, _PSI])
        link_s, link_sd = self.link.predict(self._link_x)
        if key_s is not None:
            key_s -= link_s
        link_s[context.on_device] = 0.0
        if not self._parts.separate:
            none = np.zeros(self._n_arms)
            return Expectation(robot_s, link_s, none, link_sd, none, key_s, samples_s)
        edge_s, edge_sd = self.edge.predict(self._edge_x)
        edge_s += context.decode_s * self._decode_factor + self._queue_s
        edge_s[context.on_device] = 0.0
        return Expectation(robot_s, link_s, edge_s, link_sd, edge_sd, key_s, samples_s)

    def _link_s_with(self, context: Context, more_bytes: FloatArray) -> FloatArray:
        """Return the transmission delays with more bytes than usual, shape (n,). The terms are then those of them."""
        self._link_terms(self._link_x.T, context.features[:, _PSI] + more_bytes)
        return self.link.predict(self._link_x)[0]

    @property
    def robot_factor(self) -> float:
        """Return the expected robot-side seconds relative to the calibrated ones."""
        return math.exp(float(self.robot.mean[0]))

    def link_at(self, shift: float, context: Context) -> FloatArray:
        """Return the transmission delays with `shift` added to the logarithm of the link's level, shape (n,)."""
        link_s = self.link.mean_of(self._link_x, shift=shift)
        link_s[context.on_device] = 0.0
        return link_s

    def probe_s(self, sent_bytes: int) -> float:
        """Return the expected seconds of a probe of `sent_bytes` on the link, there and back."""
        x = self._link_terms(np.zeros(self._link_x.shape[1]), float(sent_bytes))
        return float(self.link.mean_of(x[None, :], arm=-1)[0])

    def compute_s(self, arm: int) -> float:
        """Return the expected seconds of an arm's back-end at the edge."""
        return float(self.edge.mean_of(self._edge_x[arm][None, :], arm=arm)[0])

    def learn(self, observation: Observation, context: Context) -> None:
        """
        Learn from one observation. Late, censored and overlapped observations are used as far as they are informative.

        :param context: context of the frame that the observation was sent with.
        """
        if not self._has_terms:
            self._fill_terms(context)
        arm = observation.arm
        if observation.kind is Kind.PROBE:
            x = self._link_terms(np.zeros(self._link_x.shape[1]), float(observation.sent_bytes))
            if observation.sent_bytes > SMALL_PROBE or not self._passed_at_once(x, observation.transmit_s):
                self._learn_link(x, -1, observation.transmit_s, observation)
            return
        if math.isfinite(observation.robot_s) and observation.kind is Kind.FRAME:
            self.robot.learn(context.robot_s[arm : arm + 1], observation.robot_s, arm)
        if not math.isfinite(observation.offload_s) or arm == context.on_device:
            return
        # The size of a picture is known only after encoding.
        sent_bytes = float(observation.sent_bytes or context.features[arm, _PSI])
        link_x = self._link_terms(self._link_x[arm].copy(), sent_bytes)
        if observation.censored:
            self._learn_bound(link_x, observation, context)
        elif self._parts.separate:
            self._learn_apart(link_x, observation, context)
        else:
            self._learn_link(link_x, arm, observation.offload_s, observation)

    def state(self) -> dict[str, Any]:
        """Return the learnt state as JSON-compatible values."""
        return {"link": self.link.state(), "edge": self.edge.state(), "robot": self.robot.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a learnt state; raise ValueError if it does not fit."""
        for name, learner in (("link", self.link), ("edge", self.edge), ("robot", self.robot)):
            learner.restore(state[name])

    def _edge_s(self, arm: int, context: Context) -> float:
        """Return the expected seconds of an arm at the edge; 0 if link and edge are not separated."""
        if not self._parts.separate:
            return 0.0
        return self.compute_s(arm) + float(context.decode_s[arm]) * self._decode_factor + self._queue_s

    def _learn_apart(self, link_x: FloatArray, observation: Observation, context: Context) -> None:
        """Learn link and edge from an answer; ignore the edge's durations if they exceed the offloading delay."""
        arm = observation.arm
        claimed_s = (observation.queue_s, observation.decode_s, observation.compute_s)
        believed = sum(filter(math.isfinite, claimed_s)) <= observation.offload_s
        transmit_s = observation.transmit_s
        if not (believed and math.isfinite(transmit_s)):
            transmit_s = observation.offload_s - self._edge_s(arm, context)
        self._learn_link(link_x, arm, transmit_s, observation)
        if not believed:
            return
        if math.isfinite(observation.compute_s):
            self.edge.learn(self._edge_x[arm], observation.compute_s, arm)
        if math.isfinite(observation.queue_s):
            self._queue_s += _NEWEST * (observation.queue_s - self._queue_s)
        if math.isfinite(observation.decode_s):
            expected_s = float(context.decode_s[arm])
            error_s = observation.decode_s - self._decode_factor * expected_s
            self._decode_factor += _NEWEST * error_s * expected_s / (expected_s**2 + _TELLING_S**2)

    def _learn_link(self, x: FloatArray, arm: int, seconds: float, observation: Observation) -> None:
        if math.isfinite(seconds):
            self.link.learn(x, seconds, arm, extra_variance=_OVERLAPPED if observation.overlapped else 0.0)

    def _passed_at_once(self, x: FloatArray, seconds: float) -> bool:
        """Return whether a small probe was so much faster than the link that it may have passed in a burst."""
        return self.link.is_known and seconds < _BURST_SHARE * float(self.link.mean_of(x[None, :], arm=-1)[0])

    def _learn_bound(self, link_x: FloatArray, observation: Observation, context: Context) -> None:
        """Learn a lower bound of a delay; it is informative only if a shorter delay was expected."""
        if not self._parts.censored:
            return
        arm = observation.arm
        at_least_s = observation.offload_s - self._edge_s(arm, context)
        if at_least_s > float(self.link.mean_of(link_x[None, :], arm=arm)[0]):
            self._learn_link(link_x, arm, at_least_s, observation)

    def _fill_terms(self, context: Context) -> None:
        """Convert the context's features into nominal seconds; only psi changes from frame to frame."""
        if not self._has_terms:
            self._fill_edge(context)
            self._has_terms = True
        self._link_terms(self._link_x.T, context.features[:, _PSI])

    def _fill_edge(self, context: Context) -> None:
        if not self._parts.features_in_seconds:
            largest = np.maximum(context.features.max(axis=0), 1e-12)
            self._nominal = Nominal(
                bytes_per_s=largest[_PSI] / 0.1,
                round_trip_s=0.1,
                macs_per_s=float(largest[_MACS].max()) / 0.1,
                layer_s=0.1 / float(context.features[:, _LAYERS].sum(axis=1).max() or 1.0),
            )
        edge_x = self._edge_x
        np.multiply(context.features[:, _MACS], 1.0 / self._nominal.macs_per_s, out=edge_x[:, :3])
        np.multiply(context.features[:, _LAYERS].sum(axis=1), self._nominal.layer_s, out=edge_x[:, 3])
        if not self._parts.separate:
            self._link_x[:, 3:] = edge_x

    def _link_terms(self, x: FloatArray, sent_bytes: FloatArray | float) -> FloatArray:
        """
        Set the link's nominal seconds for a number of bytes, and return x.

        :param x: one term in each row, shape (d,) or (d, n).
        :param sent_bytes: one number, or shape (n,).
        """
        x[0] = self._nominal.round_trip_s
        x[_BYTES] = sent_bytes / self._nominal.bytes_per_s
        x[2] = FRAGMENT_COST * x[_BYTES] * (sent_bytes > FRAGMENT_BYTES)
        return x
