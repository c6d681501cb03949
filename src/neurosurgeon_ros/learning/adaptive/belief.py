# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What an arm's frame will take: on the robot, on the link and at the edge, each learnt from its own durations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosurgeon_ros.learning.adaptive.log_filter import LogFilter, Prior
from neurosurgeon_ros.learning.interface import FEATURES, Context, FloatArray, Kind, Observation

_PSI = FEATURES.index("psi")
_MACS = [FEATURES.index(name) for name in ("conv_macs", "fc_macs", "act_macs")]
_LAYERS = [FEATURES.index(name) for name in ("conv_layers", "fc_layers", "act_layers")]
#: Bytes from which a datagram, and so a DDS sample, is cut into fragments; and the nominal share that this costs.
_FRAGMENT_BYTES, _FRAGMENT_COST = 64_000, 0.15
#: Bytes of a small probe, which tells the round trip from the rate. A slow link may let it through in one burst:
#: where it takes less than this share of what was expected, it proves no faster link.
SMALL_PROBE, _BURST_SHARE = 2_000, 0.5
#: Variance of log y that an observation has beyond noise when another transfer of ours was on its way.
_OVERLAPPED = 0.5**2
#: Weight of the newest in the running means of queueing and of decoding's factor.
_NEWEST = 0.3
#: Seconds of decoding that tell half as much of its factor as many more would: below, other things take longer.
_TELLING_S = 2e-3
#: Column of the bytes among the terms of the link.
_BYTES = 1
#: Terms of the link: round trip, bytes, and what the bytes of fragmented messages cost more.
_LINK_PRIOR = Prior(
    sd=np.array([1.0, 0.0, 1.0]), level=np.array([0.0, 1.0, 1.0]), level_sd=1.6, offset_sd=0.1, drift=0.03
)
#: Terms of the edge: multiply-accumulates of convolutions, fully connected layers and activations; layers.
_EDGE_PRIOR = Prior(sd=np.full(4, 0.7), level=np.ones(4), level_sd=1.2, offset_sd=0.15, drift=0.03)
#: Both in one, where only their sum is looked at.
_JOINT_PRIOR = Prior(
    sd=np.concatenate([[1.0, 0.0, 1.0], np.full(4, 1.4)]),
    level=np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
    level_sd=1.6,
    offset_sd=0.1,
)
#: The robot's stages over what they are expected to take.
_ROBOT_PRIOR = Prior(sd=np.zeros(1), level=np.ones(1), level_sd=0.1, noise_sd=0.05, offset_sd=0.05, drift=1e-3)


@dataclass(frozen=True, slots=True)
class Nominal:
    """
    Orders of magnitude to begin with, the same for every robot, edge and network; a factor of ten off does little.

    :param bytes_per_s: the link's rate.
    :param round_trip_s: seconds that a message of no bytes takes to the edge and back.
    :param macs_per_s: the edge's multiply-accumulates per second.
    :param layer_s: the edge's seconds per layer beside those.
    """

    bytes_per_s: float = 2.5e6
    round_trip_s: float = 5e-3
    macs_per_s: float = 500e9
    layer_s: float = 50e-6


@dataclass(frozen=True, slots=True)
class Parts:
    """
    Parts of the model that can be switched off, each to see what it gives.

    :param features_in_seconds: terms in nominal seconds; else each feature is divided by its largest value, which
        counts 0.1 s, so that nothing is known of their proportions.
    :param separate: link and edge learnt apart from the feedback's durations; else their sum alone.
    :param track: the levels of link, edge and robot drift; else they are stationary.
    :param detect: large residuals are told apart into outliers and changes; else all are noise.
    :param censored: a missed deadline is learnt from; else it is thrown away.
    :param track_robot: the robot's stages are tracked; else they are taken as calibrated.
    """

    features_in_seconds: bool = True
    separate: bool = True
    track: bool = True
    detect: bool = True
    censored: bool = True
    track_robot: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """
    Delays of n arms in seconds, shape (n,) each; offloading is 0 on the device.

    :param robot_s: on the robot, the context's penalty included.
    :param link_s: transmission, round trip included; where link and edge are not told apart, the whole offloading.
    :param edge_s: queue, decoding and back-end at the edge.
    :param link_sd: standard deviation of the logarithm of `link_s`.
    :param edge_sd: standard deviation of the logarithm of `edge_s`.
    """

    robot_s: FloatArray
    link_s: FloatArray
    edge_s: FloatArray
    link_sd: FloatArray
    edge_sd: FloatArray

    @property
    def total_s(self) -> FloatArray:
        """From the beginning on the robot to the answer, shape (n,)."""
        total: FloatArray = self.robot_s + self.link_s + self.edge_s
        return total

    def optimistic_s(self, link_deviations: float, edge_deviations: float) -> FloatArray:
        """Return the offloading delay so many standard deviations below what is expected, shape (n,)."""
        low: FloatArray = self.link_s * np.exp(-link_deviations * self.link_sd)
        low += self.edge_s * np.exp(-edge_deviations * self.edge_sd)
        return low


class DelayModel:
    """
    Learns the delays of all arms.

    :param n_arms: number of arms.
    :param nominal: units of the terms.
    :param parts: parts that are switched on.
    """

    def __init__(self, n_arms: int, nominal: Nominal, parts: Parts) -> None:
        self._n_arms, self._nominal, self._parts = n_arms, nominal, parts
        link_prior = _LINK_PRIOR if parts.separate else _JOINT_PRIOR
        self.link = LogFilter(link_prior, n_arms, track=parts.track, detect=parts.detect)
        self.edge = LogFilter(_EDGE_PRIOR, n_arms, track=parts.track, detect=parts.detect)
        self.robot = LogFilter(_ROBOT_PRIOR, n_arms, track=parts.track, detect=parts.detect)
        self._queue_s, self._decode_factor = 0.0, 1.0
        self._now_s: float | None = None
        self._has_terms = False
        self._link_x = np.zeros((n_arms, len(link_prior.sd)))
        self._edge_x = np.zeros((n_arms, 4))

    @property
    def rate(self) -> float:
        """Expected bytes per second of the link."""
        return self._nominal.bytes_per_s * float(np.exp(-self.link.mean[_BYTES]))

    def expect(self, context: Context) -> Expectation:
        """Predict the delays of all arms at the context's time."""
        if self._now_s is not None:
            for learner in (self.link, self.edge, self.robot):
                learner.advance(context.now_s - self._now_s)
        self._now_s = context.now_s
        self._fill_terms(context)
        robot_s = context.robot_s
        if self._parts.track_robot:
            robot_s = self.robot.mean_of(context.robot_s[:, None])
        robot_s = robot_s + context.penalty_s
        link_s, link_sd = self.link.predict(self._link_x)
        link_s[context.on_device] = 0.0
        if not self._parts.separate:
            return Expectation(robot_s, link_s, np.zeros(self._n_arms), link_sd, np.zeros(self._n_arms))
        edge_s, edge_sd = self.edge.predict(self._edge_x)
        edge_s += context.decode_s * self._decode_factor + self._queue_s
        edge_s[context.on_device] = 0.0
        return Expectation(robot_s, link_s, edge_s, link_sd, edge_sd)

    def link_at(self, shift: float, context: Context) -> FloatArray:
        """Return transmission delays if the link's level were `shift` away (in its logarithm), shape (n,)."""
        link_s = self.link.mean_of(self._link_x, shift=shift)
        link_s[context.on_device] = 0.0
        return link_s

    def probe_s(self, sent_bytes: int) -> float:
        """Return the seconds that a probe of some bytes is expected to take on the link, there and back."""
        x = np.zeros((1, self._link_x.shape[1]))
        self._fill_link(x, np.array([float(sent_bytes)]))
        return float(self.link.mean_of(x, arm=-1)[0])

    def compute_s(self, arm: int) -> float:
        """Return the seconds that an arm's back-end is expected to take at the edge."""
        return float(self.edge.mean_of(self._edge_x[arm][None, :], arm=arm)[0])

    def learn(self, observation: Observation, context: Context) -> None:
        """
        Learn from one observation; late, censored and overlapped ones for what they are worth.

        :param context: that of the frame that it was sent with.
        """
        if not self._has_terms:
            self._fill_terms(context)
        arm = observation.arm
        if observation.kind is Kind.PROBE:
            x = np.zeros(self._link_x.shape[1])
            self._fill_link(x[None, :], np.array([float(observation.sent_bytes)]))
            if observation.sent_bytes > SMALL_PROBE or not self._passed_at_once(x, observation.transmit_s):
                self._learn_link(x, -1, observation.transmit_s, observation)
            return
        if np.isfinite(observation.robot_s) and observation.kind is Kind.FRAME:
            self.robot.learn(context.robot_s[arm : arm + 1], observation.robot_s, arm)
        if not np.isfinite(observation.offload_s) or arm == context.on_device:
            return
        # A picture's size is known only once it is encoded.
        sent_bytes = float(observation.sent_bytes or context.features[arm, _PSI])
        link_x = self._link_x[arm].copy()
        self._fill_link(link_x[None, :], np.array([sent_bytes]))
        if observation.censored:
            self._learn_bound(link_x, observation, context)
        elif self._parts.separate:
            self._learn_apart(link_x, observation, context)
        else:
            self._learn_link(link_x, arm, observation.offload_s, observation)

    def state(self) -> dict[str, Any]:
        """Return what was learnt, as JSON takes it."""
        return {"link": self.link.state(), "edge": self.edge.state(), "robot": self.robot.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what was learnt before; raises ValueError if it does not fit."""
        for name, learner in (("link", self.link), ("edge", self.edge), ("robot", self.robot)):
            learner.restore(state[name])

    def _edge_s(self, arm: int, context: Context) -> float:
        """Return the seconds at the edge that are expected of an arm; 0 where they are not told apart from the link."""
        if not self._parts.separate:
            return 0.0
        return self.compute_s(arm) + float(context.decode_s[arm]) * self._decode_factor + self._queue_s

    def _learn_apart(self, link_x: FloatArray, observation: Observation, context: Context) -> None:
        """Learn link and edge from an answer; an edge that claims more time than the answer took is not believed."""
        arm = observation.arm
        claimed_s = np.array([observation.queue_s, observation.decode_s, observation.compute_s])
        believed = float(claimed_s[np.isfinite(claimed_s)].sum()) <= observation.offload_s
        transmit_s = observation.transmit_s
        if not (believed and np.isfinite(transmit_s)):
            transmit_s = observation.offload_s - self._edge_s(arm, context)
        self._learn_link(link_x, arm, transmit_s, observation)
        if not believed:
            return
        if np.isfinite(observation.compute_s):
            self.edge.learn(self._edge_x[arm], observation.compute_s, arm)
        if np.isfinite(observation.queue_s):
            self._queue_s += _NEWEST * (observation.queue_s - self._queue_s)
        if np.isfinite(observation.decode_s):
            expected_s = float(context.decode_s[arm])
            error_s = observation.decode_s - self._decode_factor * expected_s
            self._decode_factor += _NEWEST * error_s * expected_s / (expected_s**2 + _TELLING_S**2)

    def _learn_link(self, x: FloatArray, arm: int, seconds: float, observation: Observation) -> None:
        if np.isfinite(seconds):
            self.link.learn(x, seconds, arm, extra_variance=_OVERLAPPED if observation.overlapped else 0.0)

    def _passed_at_once(self, x: FloatArray, seconds: float) -> bool:
        """Whether a small probe was so much faster than the link that a burst may have carried it."""
        return self.link.is_known and seconds < _BURST_SHARE * float(self.link.mean_of(x[None, :], arm=-1)[0])

    def _learn_bound(self, link_x: FloatArray, observation: Observation, context: Context) -> None:
        """Learn that a delay was at least this long: news only where it was expected to be shorter."""
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
        self._fill_link(self._link_x, context.features[:, _PSI])

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

    def _fill_link(self, x: FloatArray, sent_bytes: FloatArray) -> None:
        x[:, 0] = self._nominal.round_trip_s
        x[:, _BYTES] = sent_bytes / self._nominal.bytes_per_s
        x[:, 2] = np.where(sent_bytes > _FRAGMENT_BYTES, _FRAGMENT_COST * x[:, _BYTES], 0.0)
