# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The simulator's rules: one first-in, first-out link, and observations only of finished transfers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurosurgeon_ros.learning.interface import FEATURES, Choice, Context, Kind, Observation
from neurosurgeon_ros.simulation.environment import Environment, Noise
from neurosurgeon_ros.simulation.simulate import simulate
from neurosurgeon_ros.simulation.table import NetworkTable

SILENT = Noise(sd=0.0)


def environment(**changes: object) -> Environment:
    """
    Return an environment with 10 frames at 10 Hz and a link of 8 Mbit/s, which is 1 MB/s.

    The arms send 50 kB at once (50 ms), send 10 kB after 30 ms (10 ms), and take 60 ms on the device. The edge takes 5
    and 2 ms, and the round trip 1 ms.
    """
    features = np.zeros((3, len(FEATURES)))
    features[:, FEATURES.index("psi")] = [50_000, 10_000, 0]
    made = Environment(
        table=NetworkTable("net", ("input", "pool", "on_device"), features, np.zeros(3), np.zeros(3)),
        robot_s=np.array([0.0, 0.03, 0.06]),
        compute_s=np.array([0.005, 0.002, 0.0]),
        transmission_factor=np.ones(3),
        round_trip_s=0.001,
        mbps=np.full(10, 8.0),
        slowdown=np.ones(10),
        queue_s=np.zeros(10),
        key_frames=np.zeros(10, dtype=bool),
        noise=SILENT,
        seed=0,
    )
    return dataclasses.replace(made, **changes)


class Scripted:
    """A policy that chooses as scripted, then stays on the device, and records its observations."""

    def __init__(self, *script: Choice) -> None:
        self.script = list(script)
        self.contexts: list[Context] = []
        self.seen: list[tuple[float, Observation]] = []

    def select(self, context: Context) -> Choice:
        self.contexts.append(context)
        return self.script.pop(0) if self.script else Choice(arm=2)

    def observe(self, observation: Observation, context: Context) -> None:
        self.seen.append((len(self.contexts), observation))


def test_delay_of_each_arm() -> None:
    run = simulate(Scripted(Choice(arm=0), Choice(arm=1), Choice(arm=2)), environment())
    np.testing.assert_allclose(run.delay_s[:3], [0.056, 0.043, 0.060])
    np.testing.assert_allclose(run.best_s, 0.043)
    assert run.ratio(1, 2) == pytest.approx(1.0)


def test_frames_come_at_the_cameras_rate_or_when_the_last_is_done() -> None:
    policy = Scripted(Choice(arm=0), Choice(arm=0), Choice(arm=2))
    simulate(policy, environment(mbps=np.array([8.0, 2.0, *[8.0] * 8])))
    assert [context.now_s for context in policy.contexts[:4]] == pytest.approx([0.0, 0.1, 0.306, 0.366])


def test_probe_makes_the_next_frame_wait_and_is_charged_to_it() -> None:
    """A probe of 120 kB takes 120 ms, so the frame at 100 ms waits for 20 ms."""
    policy = Scripted(Choice(arm=2, probe_bytes=120_000), Choice(arm=0))
    run = simulate(policy, environment())
    np.testing.assert_allclose(run.delay_s[:2], [0.060, 0.076])
    assert run.probe_bytes == 120_000
    assert policy.contexts[1].link_busy
    overlapped = next(o for _, o in policy.seen if o.kind is Kind.FRAME and o.arm == 0)
    assert overlapped.overlapped
    assert overlapped.transmit_s == pytest.approx(0.071)


def test_probe_gives_way_to_the_frame_that_it_was_chosen_with() -> None:
    policy = Scripted(Choice(arm=0, probe_bytes=10_000))
    run = simulate(policy, environment())
    assert run.delay_s[0] == pytest.approx(0.056)
    probe = next(o for _, o in policy.seen if o.kind is Kind.PROBE)
    assert probe.transmit_s == pytest.approx(0.061)
    assert probe.overlapped


def test_probe_reports_only_when_it_is_finished() -> None:
    """The probe takes 251 ms, so it is not yet observed at the frames of 100 and 200 ms."""
    policy = Scripted(Choice(arm=2, probe_bytes=250_000))
    simulate(policy, environment())
    assert [known for known, observation in policy.seen if observation.kind is Kind.PROBE] == [3]


def test_sample_goes_when_its_tensors_are_there_and_reports_its_stages() -> None:
    policy = Scripted(Choice(arm=2, sample_arm=0))
    run = simulate(policy, environment(slowdown=np.full(10, 3.0), queue_s=np.full(10, 0.004)))
    assert run.delay_s[0] == pytest.approx(0.060)
    assert run.sample_bytes == 50_000
    sample = next(o for _, o in policy.seen if o.kind is Kind.SAMPLE)
    assert (sample.arm, sample.sequence) == (0, 1)
    assert sample.transmit_s == pytest.approx(0.051)
    assert sample.compute_s == pytest.approx(0.015)
    assert sample.queue_s == pytest.approx(0.004)
    assert sample.offload_s == pytest.approx(0.070)


def test_sample_of_a_later_point_is_refused() -> None:
    with pytest.raises(ValueError, match="arm 1 cannot be sampled beside arm 0"):
        simulate(Scripted(Choice(arm=0, sample_arm=1)), environment())


def test_noise_touches_observations_alone() -> None:
    noisy = environment(noise=Noise(sd=0.3, outliers=0.5))
    script = [Choice(arm=0)] * 10
    policy = Scripted(*script)
    run = simulate(policy, noisy)
    np.testing.assert_allclose(run.delay_s, 0.056)
    seen = [o.transmit_s for _, o in policy.seen]
    assert np.std(seen) > 0.005
    again = Scripted(*script)
    simulate(again, noisy)
    assert [o.transmit_s for _, o in again.seen] == seen


def test_frame_on_the_device_tells_its_stages_and_no_offloading() -> None:
    policy = Scripted(Choice(arm=2))
    simulate(policy, environment(throttle=np.full(10, 2.0)))
    _, seen = policy.seen[0]
    assert np.isnan(seen.offload_s)
    assert seen.robot_s == pytest.approx(0.120)


def test_missed_deadline_is_finished_on_the_robot_and_tells_a_bound_then_the_truth() -> None:
    """The deadline passes at 50 ms, and the robot then takes 60 ms. The answer arrives at 56 ms."""
    policy = Scripted(Choice(arm=0))
    slow = environment(deadline_s=0.05)
    run = simulate(policy, slow)
    assert run.delay_s[0] == pytest.approx(0.110)
    assert slow.total_s()[0] == pytest.approx([0.110, 0.043, 0.060])
    (_, bound), (_, truth) = policy.seen[:2]
    assert bound.censored
    assert bound.offload_s == pytest.approx(0.05)
    assert not truth.censored
    assert truth.offload_s == pytest.approx(0.056)


@pytest.mark.parametrize(
    ("overdue_s", "delay_s", "bound_s"),
    [(0.04, 0.100, 0.100), (0.0, 0.060, 0.060), (0.07, 0.130, 0.130), (0.5, 0.140, 0.080)],
)
def test_overdue_answer_is_raced_by_the_robot(overdue_s: float, delay_s: float, bound_s: float) -> None:
    """The edge takes 206 ms. The robot takes 60 ms, and begins at the deadline of 80 ms or earlier."""
    policy = Scripted(Choice(arm=0, overdue_s=overdue_s))
    run = simulate(policy, environment(deadline_s=0.08, mbps=np.full(10, 2.0)))
    assert run.delay_s[0] == pytest.approx(delay_s)
    (bound,) = [seen for _, seen in policy.seen if seen.censored]
    assert bound.offload_s == pytest.approx(bound_s)


def test_overdue_answer_that_is_first_counts_and_without_a_deadline_the_robot_waits_for_ever() -> None:
    policy = Scripted(Choice(arm=0, overdue_s=0.01), Choice(arm=0, overdue_s=0.0))
    assert simulate(policy, environment(deadline_s=0.08)).delay_s[:2] == pytest.approx([0.056, 0.056])
    assert not any(seen.censored for _, seen in policy.seen)
    slow = environment(mbps=np.full(10, 2.0))
    assert simulate(Scripted(Choice(arm=0, overdue_s=0.0)), slow).delay_s[0] == pytest.approx(0.206)


def test_fragmented_messages_cost_more() -> None:
    run = simulate(Scripted(Choice(arm=0)), environment(transmission_factor=np.array([1.5, 1.0, 1.0])))
    assert run.delay_s[0] == pytest.approx(0.081)
