# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The default policy in the judged experiments, with fewer seeds and the same rules."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from neurosurgeon_ros.learning.adaptive.priors import Nominal
from neurosurgeon_ros.simulation.environment import GAUSS, HEAVY, Noise
from neurosurgeon_ros.simulation.experiments.settings import random_scenario
from neurosurgeon_ros.simulation.processes import ConstantLink, Link, MarkovLink, OrnsteinUhlenbeckLink, StepLink
from neurosurgeon_ros.simulation.scenario import Job, Runner, Scenario

DEFAULT = "adaptive_mu_lin_ucb"
NETWORKS = ("vgg16", "tiny_yolov2")
GRID = [
    Scenario(name, ConstantLink(mbps), edge_gmacs=edge, seed=7)
    for name, mbps, edge in product(NETWORKS, (4.0, 16.0, 50.0), (2000.0, 200.0))
]


def ratios(scenarios: list[Scenario], first: int, last: int | None, **options: object) -> list[float]:
    return [Job(scenario, DEFAULT, options).run().ratio(first, last) for scenario in scenarios]


def test_grid() -> None:
    runs = [Job(scenario, DEFAULT).run() for scenario in GRID]
    assert max(run.ratio(50, 400) for run in runs) <= 1.01
    assert np.mean([run.ratio(0, 50) for run in runs]) <= 1.03
    assert max(run.ratio(0, 50) for run in runs) <= 1.10


@pytest.mark.parametrize("name", NETWORKS)
def test_change(name: str) -> None:
    link = StepLink(((50.0, 150), (4.0, 150), (16.0, 150), (50.0, 150)))
    run = Job(Scenario(name, link, frames=600, seed=7), DEFAULT).run()
    assert run.ratio(150, 300) <= 1.05
    assert run.ratio(300, 450) <= 1.03
    assert run.ratio(450, 600) <= 1.03


@pytest.mark.parametrize(
    ("link", "noise", "limit"),
    [
        (OrnsteinUhlenbeckLink(16.0, 0.5, 50.0), GAUSS, 1.02),
        (OrnsteinUhlenbeckLink(16.0, 0.5, 50.0), HEAVY, 1.04),
        (MarkovLink(50.0, 4.0, 60.0), GAUSS, 1.08),
        (MarkovLink(50.0, 4.0, 60.0), HEAVY, 1.13),
    ],
    ids=["ou gauss", "ou heavy", "markov gauss", "markov heavy"],
)
@pytest.mark.parametrize("name", NETWORKS)
def test_hard(name: str, link: Link, noise: Noise, limit: float) -> None:
    scenarios = [Scenario(name, link, noise=noise, frames=1000, seed=seed) for seed in range(3)]
    assert np.mean(ratios(scenarios, 0, None)) <= limit


def test_random() -> None:
    runs = [Job(random_scenario(20, number), DEFAULT).run() for number in range(15)]
    late, early = [run.ratio(50, 400) for run in runs], [run.ratio(0, 50) for run in runs]
    assert np.mean(late) <= 1.02
    assert max(late) <= 1.10
    assert np.mean(early) <= 1.06
    assert max(early) <= 1.30


@pytest.mark.parametrize("factor", [0.1, 10.0])
@pytest.mark.parametrize("wrong", ["bytes_per_s", "round_trip_s", "macs_per_s", "layer_s", "all"])
def test_wrong_constants(wrong: str, factor: float) -> None:
    nominal = Nominal()
    names = ("bytes_per_s", "round_trip_s", "macs_per_s", "layer_s") if wrong == "all" else (wrong,)
    changed = Nominal(**{name: factor * getattr(nominal, name) for name in names})
    assert max(ratios(GRID[::4], 0, 50, nominal=changed)) <= 1.10


@pytest.mark.parametrize(("policy", "limit"), [("mu_lin_ucb", 0.8), (DEFAULT, 0.5)])
def test_regret_grows_slowly(policy: str, limit: float) -> None:
    run = Job(Scenario("vgg16", ConstantLink(50.0), frames=3200, seed=7), policy).run()
    regret = np.cumsum(run.delay_s - run.best_s)
    at = np.unique(np.geomspace(100, 3200, 15).astype(int))
    slope = np.polyfit(np.log(at), np.log(np.maximum(regret[at - 1], 1e-3)), 1)[0]
    assert slope <= limit


def test_oracle_is_the_best_there_is() -> None:
    for scenario in (GRID[0], GRID[5], random_scenario(3, 1)):
        run = Job(scenario, "oracle").run()
        assert run.ratio() == pytest.approx(1.0)


def test_neurosurgeon_has_the_edges_profile() -> None:
    run = Job(Scenario("tiny_yolov2", ConstantLink(50.0)), "neurosurgeon").run()
    assert run.ratio(50) == pytest.approx(1.0, abs=0.02)


def test_processes_give_the_same_runs_in_order() -> None:
    jobs = [Job(Scenario("tiny_yolov2", ConstantLink(mbps), frames=30), DEFAULT) for mbps in (4.0, 50.0)]
    told = []
    with Runner(2, lambda: told.append(1)) as runner:
        runs = runner.run(jobs)
    assert len(told) == 2
    for run, job in zip(runs, jobs, strict=True):
        np.testing.assert_array_equal(run.delay_s, job.run().delay_s)
