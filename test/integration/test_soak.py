# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two robots and an edge under random faults, including kills, for half a minute: the short form of `make soak`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.soak.run import KILLS, ROBOTS, run_soak

SECONDS = 30.0


@pytest.mark.full
@pytest.mark.timeout(240)
def test_nothing_is_lost_doubled_or_out_of_order_and_threads_stay(tmp_path: Path) -> None:
    faults: list[str] = []
    result = run_soak(SECONDS, seed=6, logs=tmp_path, on_fault=lambda name, _: faults.append(name))
    assert {fault.name for fault in KILLS} <= set(faults)
    assert result.failures == []
    assert set(result.tallies) == set(ROBOTS)
    for tally in result.tallies.values():
        assert tally.published == tally.accepted
    assert set(result.first) == {"edge", "robot", "second robot"}
    for name, first in result.first.items():
        assert result.last[name].threads == first.threads
