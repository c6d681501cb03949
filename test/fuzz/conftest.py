# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixture for all targets, and a summary of the number of cases at the end."""

from __future__ import annotations

import pytest
from fuzz.cases import CASES, SEED, Fuzz

_PROPERTY = "fuzz"


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """Return a runner for the cases of this test."""
    return Fuzz(request.node.name, lambda counts: request.node.user_properties.append((_PROPERTY, counts)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the number of cases per target."""
    rows = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == _PROPERTY
    ]
    if rows and CASES >= 10_000:
        terminalreporter.section(f"cases of seed {SEED}")
        for target, tried, refused, seconds in sorted(rows):
            terminalreporter.write_line(f"{tried:9,} ({refused:9,} refused) {seconds:6.0f} s  {target}")
