# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms whose codec has memory: the additional bytes of a key count as much as they are worth."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
from three_arms import make_context

from neurosurgeon_ros.learning.adaptive.belief import DelayModel, Parts
from neurosurgeon_ros.learning.adaptive.choice import ChoiceRule
from neurosurgeon_ros.learning.adaptive.expectation import Expectation
from neurosurgeon_ros.learning.adaptive.exploration import Exploration
from neurosurgeon_ros.learning.adaptive.policy import AdaptiveMuLinUcb
from neurosurgeon_ros.learning.adaptive.priors import Nominal
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Kind, Observation

PSI = FEATURES.index("psi")
PLAIN, STREAM, ON_DEVICE = range(3)
#: Bytes of a frame of each arm, and of a key beyond these.
SENT, KEY = np.array([25e3, 2e3, 0.0]), np.array([0.0, 60e3, 0.0])
ROUND_TRIP_S = 0.004


def drive(mbps: float, frames: int, policy: AdaptiveMuLinUcb | None = None) -> list[Choice]:
    """Run frames at 10 Hz. The edge loses the stream's reference half-way, and 5 s after its last frame."""
    policy = policy or AdaptiveMuLinUcb(n_arms=3)
    used_s, choices = -math.inf, []
    features = np.zeros((3, len(FEATURES)))
    features[:, PSI] = SENT
    for frame in range(1, frames + 1):
        now_s = 0.1 * frame
        used_s = -math.inf if frame == frames // 2 else used_s
        key_bytes = KEY if now_s - used_s > 5.0 else np.zeros(3)
        seen = make_context(
            frame=frame,
            now_s=now_s,
            period_s=0.1,
            features=features,
            robot_s=np.array([0.01, 0.01, 0.2]),
            point=np.array([0, 0, 1]),
            key_bytes=key_bytes,
            sample_key_bytes=KEY,
        )
        choice = policy.select(seen)
        choices.append(choice)
        report(policy, seen, choice, mbps)
        if choice.arm == STREAM:
            used_s = now_s
    return choices


def report(policy: AdaptiveMuLinUcb, seen: Context, choice: Choice, mbps: float) -> None:
    """Tell the policy how long the frame, the sample and the probe took on a link without noise."""
    for arm, kind in ((choice.arm, Kind.FRAME), (choice.sample_arm, Kind.SAMPLE)):
        if arm is None or arm == ON_DEVICE:
            continue
        more = seen.key_bytes if kind is Kind.FRAME else seen.sample_key_bytes
        sent = float(SENT[arm] + np.broadcast_to(more, 3)[arm])
        transmit_s = ROUND_TRIP_S + 8e-6 * sent / mbps
        policy.observe(
            Observation(arm, seen.frame, kind, transmit_s, transmit_s=transmit_s, compute_s=0.0, sent_bytes=int(sent)),
            seen,
        )
    if choice.probe_bytes:
        probe_s = ROUND_TRIP_S + 8e-6 * choice.probe_bytes / mbps
        probe = Observation(-1, seen.frame, Kind.PROBE, probe_s, transmit_s=probe_s, sent_bytes=choice.probe_bytes)
        policy.observe(probe, seen)


def test_a_stream_is_begun_although_its_first_frame_takes_longer() -> None:
    """On this link, a key takes 252 ms, a later frame 12 ms, and the picture without memory 104 ms."""
    arms = [choice.arm for choice in drive(2.0, 200)]
    assert arms[-100:] == [STREAM] * 100


def test_a_stream_is_begun_although_its_key_comes_too_late() -> None:
    """On this link, a key takes 0.7 s, the deadline is 0.3 s, and a later frame takes 27 ms."""
    arms = [choice.arm for choice in drive(0.7, 200)]
    assert arms[-90:] == [STREAM] * 90


def test_a_key_that_the_robot_would_not_send_is_not_chosen() -> None:
    """On this link, a key takes 2.5 s, more than three deadlines."""
    arms = [choice.arm for choice in drive(0.2, 200)]
    assert STREAM not in arms[100:]


def test_two_streams_are_not_taken_in_turns() -> None:
    """Two equal streams, which end as soon as another arm is used."""
    policy, used = AdaptiveMuLinUcb(n_arms=3), None
    features = np.zeros((3, len(FEATURES)))
    features[:, PSI] = [2e3, 2e3, 0.0]
    arms = []
    for frame in range(1, 201):
        seen = make_context(
            frame=frame,
            now_s=0.1 * frame,
            period_s=0.1,
            features=features,
            robot_s=np.array([0.01, 0.01, 0.2]),
            point=np.array([0, 0, 1]),
            key_bytes=np.array([20e3 * (used != 0), 20e3 * (used != 1), 0.0]),
        )
        used = policy.select(seen).arm
        arms.append(used)
        if used != ON_DEVICE:
            noise = math.exp(0.3 * math.sin(frame))
            transmit_s = noise * (ROUND_TRIP_S + 8e-6 * (2e3 + float(seen.key_bytes[used])) / 4.0)
            policy.observe(Observation(used, frame, Kind.FRAME, transmit_s, transmit_s=transmit_s, compute_s=0.0), seen)
    changes = sum(one != other for one, other in itertools.pairwise(arms[20:]))
    assert changes <= 4, arms


def test_what_is_predicted_for_a_key_is_the_whole_of_it() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    drive(2.0, 100, policy)
    features = np.zeros((3, len(FEATURES)))
    features[:, PSI] = SENT
    seen = make_context(
        frame=101, now_s=10.1, period_s=0.1, features=features, robot_s=np.array([0.01, 0.01, 0.2]), key_bytes=KEY
    )
    key, later = policy.select(seen), policy.select(dataclasses.replace(seen, frame=102, key_bytes=0.0))
    assert key.arm == later.arm == STREAM
    assert key.predicted_offload_s - later.predicted_offload_s > 0.8 * 8e-6 * 20e3 / 2.0


def test_the_share_of_a_key_falls_the_longer_an_arm_stays() -> None:
    rule = ChoiceRule(DelayModel(3, Nominal(), Parts()), alpha=0.5, weight_key=0.8, weight_other=0.2)
    assert rule.key_share == 0.1
    for _ in range(40):
        rule.chosen(STREAM)
    assert rule.key_share == 1.0 / 40.0
    for frame in range(40):
        rule.chosen(frame % 2)
    assert rule.key_share > 0.5


def test_a_sample_of_a_live_stream_takes_the_time_of_a_key() -> None:
    features = np.zeros((3, len(FEATURES)))
    features[:, PSI] = SENT
    model = DelayModel(3, Nominal(), Parts())
    alive = model.expect(make_context(features=features, key_bytes=np.zeros(3), sample_key_bytes=KEY))
    features[:, PSI] += KEY
    larger = DelayModel(3, Nominal(), Parts()).expect(make_context(features=features))
    np.testing.assert_allclose(alive.sample_s[:2], larger.link_s[:2])
    assert alive.key_s is None and alive.link_s[STREAM] < alive.link_s[PLAIN] < alive.sample_s[STREAM]
    assert larger.sample_s is larger.link_s


def test_exploration_counts_that_a_sample_of_a_live_stream_is_a_key() -> None:
    """The first allowance is 0.1 s of link time: enough for a frame of the stream, and not for a sample of it."""
    model, sd = DelayModel(3, Nominal(), Parts()), np.full(3, 0.1)
    frame = Expectation(np.array([0.01, 0.01, 0.2]), np.array([0.08, 0.01, 0.0]), np.array([0.02, 0.02, 0.0]), sd, sd)
    counted = dataclasses.replace(frame, samples_s=np.array([0.08, 0.3, 0.0]))
    seen = make_context(point=np.array([0, 0, 1]))
    for expected, sampled in ((frame, STREAM), (counted, PLAIN)):
        exploration = Exploration(model, budget=0.1, mu=0.25, probes=True, samples=True, informed=True)
        exploration.advance(seen.now_s)
        assert exploration.sample(seen, expected, ON_DEVICE) == sampled
    assert exploration.sample(seen, counted, ON_DEVICE) is None, "the link time of the first sample is used up"
