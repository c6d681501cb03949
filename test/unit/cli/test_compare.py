# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The calculations of `compare`, and its bad input."""

from __future__ import annotations

import pytest

from neurosurgeon_ros.cli.compare import Run, ratio_to_best_fixed
from neurosurgeon_ros.cli.main import main


def test_the_best_fixed_policy_of_each_rate_is_the_measure() -> None:
    none: dict[str, int] = {}
    runs = [
        Run(4.0, "mu_lin_ucb", 90.0, 300, none),
        Run(4.0, "edge_only", 300.0, 300, none),
        Run(4.0, "on_device", 100.0, 300, none),
        Run(50.0, "mu_lin_ucb", 60.0, 300, none),
        Run(50.0, "edge_only", 50.0, 300, none),
        Run(50.0, "epsilon_greedy", 10.0, 300, none),
    ]
    assert ratio_to_best_fixed(runs, "mu_lin_ucb") == {"4": 0.9, "50": 1.2}


@pytest.mark.parametrize(
    ("option", "value", "choices"),
    [("--uplink", "4,fast", "4,16,50"), ("--uplink", "0", "0.001"), ("--policies", "best", "mu_lin_ucb")],
)
def test_a_bad_list_is_one_sentence(option: str, value: str, choices: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", option, value]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert option in line
    assert choices in line
