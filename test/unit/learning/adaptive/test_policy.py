# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The samples and probes of adaptive_mu_lin_ucb, and its handling of unusual observations."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from neurosurgeon_ros.learning.adaptive.policy import AdaptiveMuLinUcb
from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Kind, Observation

PSI = FEATURES.index("psi")
SENT = np.array([600e3, 100e3, 0.0])
COMPUTE_S = np.array([0.02, 0.01, 0.0])


def context(frame: int, on_device_s: float = 0.3, **changes: object) -> Context:
    """Return a context with arms that send 600 kB at once, send 100 kB after 0.1 s, and take `on_device_s`."""
    features = np.zeros((3, len(FEATURES)))
    features[:2, FEATURES.index("conv_macs")] = [2e9, 1e9]
    features[:, PSI] = SENT
    made = Context(
        frame=frame,
        robot_s=np.array([0.0, 0.1, on_device_s]),
        features=features,
        decode_s=np.zeros(3),
        point=np.arange(3),
        allowed=np.ones(3, dtype=bool),
        on_device=2,
        key_frame=False,
        now_s=0.1 * frame,
        period_s=0.1,
    )
    return dataclasses.replace(made, **changes)


def answers(choice: Choice, frame: int, bytes_per_s: float, slow_edge: float = 1.0) -> list[Observation]:
    """Return the observations of a choice, without noise."""
    found = []
    for arm, kind in ((choice.arm, Kind.FRAME), (choice.sample_arm, Kind.SAMPLE)):
        if arm is not None and arm < 2:
            transmit_s, compute_s = SENT[arm] / bytes_per_s, slow_edge * COMPUTE_S[arm]
            found.append(
                Observation(arm, frame, kind, transmit_s + compute_s, transmit_s=transmit_s, compute_s=compute_s)
            )
    if choice.probe_bytes:
        transmit_s = choice.probe_bytes / bytes_per_s
        found.append(
            Observation(-1, frame, Kind.PROBE, transmit_s, transmit_s=transmit_s, sent_bytes=choice.probe_bytes)
        )
    return found


def run(policy: AdaptiveMuLinUcb, frames: range, bytes_per_s: float, **more: float) -> list[Choice]:
    choices = []
    for frame in frames:
        choices.append(policy.select(context(frame)))
        for observation in answers(choices[-1], frame, bytes_per_s, **more):
            policy.observe(observation, context(frame))
    return choices


def test_first_frame_stays_on_the_robot_while_a_probe_looks_at_the_link() -> None:
    first = AdaptiveMuLinUcb(n_arms=3).select(context(1, on_device_s=0.15))
    assert first.arm == 2
    assert first.probe_bytes >= 16_000


def test_probes_stop_where_no_link_could_help() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    hopeless = dataclasses.replace(context(1), robot_s=np.array([0.2, 0.2, 0.1]))
    choice = policy.select(hopeless)
    assert choice.arm == 2
    assert choice.probe_bytes == 0


@pytest.mark.parametrize(
    "change", [{"edge_available": False, "allowed": np.array([False, False, True])}, {"link_busy": True}]
)
def test_nothing_is_sent_beside_a_frame_without_an_edge_or_on_a_busy_link(change: dict[str, object]) -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    for frame in range(1, 10):
        choice = policy.select(context(frame, on_device_s=0.15, **change))
        assert choice.probe_bytes == 0
        assert choice.sample_arm is None


def test_probes_and_samples_stay_within_the_budget() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3, budget=0.1)
    sent = sum(
        c.probe_bytes + (SENT[c.sample_arm] if c.sample_arm is not None else 0)
        for c in run(policy, range(1, 400), 0.3e6)
    )
    assert 0.0 < sent / 0.3e6 < 0.1 * 40.0 + 0.2 + 0.1


def test_without_a_budget_nothing_is_sent_beside_frames() -> None:
    for choice in run(AdaptiveMuLinUcb(n_arms=3, budget=0.0), range(1, 100), 0.3e6):
        assert choice.probe_bytes == 0
        assert choice.sample_arm is None


def test_fall_of_the_link_is_answered_after_one_frame() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    assert run(policy, range(1, 50), 10e6)[-1].arm == 0
    assert [choice.arm for choice in run(policy, range(50, 60), 0.3e6)] == [0] + [2] * 9


def test_rise_of_the_link_is_seen_by_probes() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    assert run(policy, range(1, 50), 0.3e6)[-1].arm == 2
    assert [choice.arm for choice in run(policy, range(50, 60), 10e6)][3:] == [0] * 7


def test_slow_edge_does_not_unlearn_the_link() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 50), 10e6)
    rate = policy.model.rate
    run(policy, range(50, 60), 10e6, slow_edge=8.0)
    assert policy.model.rate == pytest.approx(rate, rel=0.05)
    assert policy.model.expect(context(60)).edge_s[0] == pytest.approx(0.16, rel=0.3)


def test_missed_deadline_counts_as_at_least_that_long() -> None:
    policy, deaf = AdaptiveMuLinUcb(n_arms=3), AdaptiveMuLinUcb(n_arms=3, censored=False)
    for one in (policy, deaf):
        run(one, range(1, 50), 10e6)
        choice = one.select(context(50))
        assert choice.arm == 0
        one.observe(Observation(0, 50, Kind.FRAME, 1.0, censored=True), context(50))
    assert policy.select(context(51)).arm != 0
    assert deaf.select(context(51)).arm == 0


def test_bound_below_expectation_is_no_news() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 50), 10e6)
    before = policy.select(context(50)).predicted_offload_s
    policy.observe(Observation(0, 50, Kind.FRAME, 0.01, censored=True), context(50))
    assert policy.select(context(51)).predicted_offload_s == pytest.approx(before, rel=0.01)


def test_throttling_robot_is_tracked() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    for frame in range(1, 60):
        now = context(frame, on_device_s=0.12)
        choice = policy.select(now)
        robot_s = 2.0 * now.robot_s[choice.arm]
        policy.observe(Observation(choice.arm, frame, Kind.FRAME, math.nan, robot_s=robot_s), now)
    assert choice.arm == 2
    assert choice.predicted_robot_s == pytest.approx(0.24, rel=0.1)


def test_observation_without_the_edges_durations_still_teaches() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    for frame in range(1, 30):
        now = context(frame, on_device_s=2.0)
        choice = policy.select(now)
        policy.observe(Observation(choice.arm, frame, Kind.FRAME, 0.08), now)
    assert choice.predicted_offload_s == pytest.approx(0.08, rel=0.15)


def test_choice_that_the_runtime_overruled_is_not_mistaken() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 50), 10e6)
    assert policy.select(context(50)).arm == 0
    before = policy.model.expect(context(50)).robot_s.copy()
    for _ in range(20):  # the expected time of the arm that was used
        policy.observe(Observation(2, 50, Kind.FRAME, math.nan, robot_s=before[2]), context(50))
    np.testing.assert_allclose(policy.model.expect(context(50)).robot_s, before)


@pytest.mark.parametrize(
    "switch",
    [
        "probes",
        "samples",
        "informed",
        "hedge",
        "features_in_seconds",
        "separate",
        "track",
        "detect",
        "censored",
        "track_robot",
    ],
)
def test_each_part_can_be_switched_off(switch: str) -> None:
    choices = run(AdaptiveMuLinUcb(n_arms=3, **{switch: False}), range(1, 300), 10e6)
    assert [choice.arm for choice in choices[-20:]].count(0) >= 15


def test_nothing_is_overdue_on_the_device_or_without_hedging() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 50), 10e6)
    choice = policy.select(context(50, edge_available=False, allowed=np.array([False, False, True])))
    assert (choice.arm, choice.overdue_s) == (2, math.inf)
    for choice in run(AdaptiveMuLinUcb(n_arms=3, hedge=False), range(1, 50), 10e6):
        assert choice.overdue_s == math.inf


@pytest.mark.parametrize(("waited_s", "in_time"), [(0.0, True), (0.1, True), (0.25, False), (2.0, False)])
def test_a_frame_that_waited_long_is_not_sent_where_its_answer_would_be_late(waited_s: float, in_time: bool) -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 60), bytes_per_s=1e6)  # the second arm takes 0.21 s, the robot alone 0.3 s
    choice = policy.select(context(60, deadline_s=0.45, waited_s=waited_s))
    assert choice.arm == (1 if in_time else 2)


def test_a_deadline_that_nothing_meets_leaves_the_robot_alone() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 60), bytes_per_s=1e6)
    assert {policy.select(context(frame, deadline_s=0.05)).arm for frame in range(60, 63)} == {2}


def test_a_picture_that_is_smaller_than_expected_does_not_make_the_link_faster() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    rate = 2e6
    run(policy, range(1, 40), rate)
    known = policy.model.rate
    for frame in range(40, 60):
        now = context(frame)
        choice = policy.select(now)
        assert choice.arm != 2
        sent_bytes = SENT[choice.arm] / 4.0
        transmit_s, compute_s = sent_bytes / rate, COMPUTE_S[choice.arm]
        policy.observe(
            Observation(
                choice.arm,
                frame,
                Kind.FRAME,
                transmit_s + compute_s,
                transmit_s=transmit_s,
                compute_s=compute_s,
                sent_bytes=int(sent_bytes),
            ),
            now,
        )
        assert policy.model.rate == pytest.approx(known, rel=0.25)


def test_what_a_slow_link_lets_through_at_once_does_not_make_it_fast() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    rate, burst = 0.125e6, 4e3
    features = context(1).features.copy()
    features[:2, PSI] = [30_000, 25_000]
    sent, probes = 0, 0
    for frame in range(1, 200):
        now = context(frame, on_device_s=0.19, features=features)
        choice = policy.select(now)
        sent += frame > 20 and choice.arm != 2
        probes += choice.probe_bytes > 0
        for kind, arm, sent_bytes in (
            (Kind.FRAME, choice.arm, int(features[choice.arm, PSI])),
            (Kind.PROBE, -1, choice.probe_bytes),
        ):
            if sent_bytes:
                transmit_s = max(sent_bytes - burst, 0.0) / rate + 2e-3
                compute_s = COMPUTE_S[arm] if kind is Kind.FRAME else 0.0
                policy.observe(
                    Observation(
                        arm,
                        frame,
                        kind,
                        transmit_s + compute_s,
                        transmit_s=transmit_s,
                        compute_s=compute_s,
                        sent_bytes=sent_bytes,
                    ),
                    now,
                )
    assert probes > 5
    assert sent <= 8


def test_an_arm_that_is_decoded_in_no_time_tells_nothing_of_decoding_others() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    decode_s = np.array([1e-5, 3e-3, 0.0])
    for frame in range(1, 40):
        now = context(frame, decode_s=decode_s)
        choice = policy.select(now)
        for observation in answers(choice, frame, 20e6):
            policy.observe(dataclasses.replace(observation, decode_s=1e-3), now)
    assert choice.arm == 0
    expected = policy.model.expect(context(40, decode_s=decode_s))
    assert expected.edge_s[1] < 0.03


@pytest.mark.parametrize("claimed_s", [1.0, 1e6])
def test_an_edge_that_claims_more_time_than_the_answer_took_is_not_believed(claimed_s: float) -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 50), 10e6)
    before = policy.model.expect(context(50)).total_s
    for frame in range(50, 60):
        choice = policy.select(context(frame))
        claim = Observation(choice.arm, frame, Kind.FRAME, 0.08, transmit_s=-claimed_s, compute_s=claimed_s)
        policy.observe(claim, context(frame))
    np.testing.assert_allclose(policy.model.expect(context(60)).total_s, before, rtol=0.1)


def test_an_edge_that_was_slow_is_looked_at_again_and_used_once_it_is_fast() -> None:
    policy = AdaptiveMuLinUcb(n_arms=3)
    run(policy, range(1, 50), 10e6)
    slow = run(policy, range(50, 350), 10e6, slow_edge=300.0)
    assert {choice.arm for choice in slow[100:]} == {2}
    samples = [number for number, choice in enumerate(slow) if choice.sample_arm is not None]
    assert max(np.diff(samples)) <= 21, "every 2 s at the latest"
    assert [choice.arm for choice in run(policy, range(350, 400), 10e6)][30:] == [0] * 20
