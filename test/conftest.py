# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from of_distribution import depends_on_distribution
from support import Processes, private_domain

#: The variables in which the two versions of Fast DDS look for a profile.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")

ROOT = Path(__file__).resolve().parents[1]

# Tests and the nodes that they start run in parallel. With more threads than cores, torch's threads wait for others.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of what a distribution of ROS 2 changes, before pytest selects by marker."""
    for item in items:
        if depends_on_distribution(item.path):
            item.add_marker("distribution")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the top folder of the checkout."""
    return ROOT


@pytest.fixture
def ros_domain(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Set a ROS domain id that only this test uses, for this process and its children, and yield it."""
    with private_domain() as domain:
        monkeypatch.setenv("ROS_DOMAIN_ID", str(domain))
        monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        for name in ("ROS_LOCALHOST_ONLY", "ROS_STATIC_PEERS", *PROFILE_VARIABLES):
            monkeypatch.delenv(name, raising=False)
        yield domain


@pytest.fixture
def processes(request: pytest.FixtureRequest, ros_domain: int, tmp_path: Path) -> Iterator[Processes]:
    """Yield a starter of programs in the test's ROS domain. They end after it; their output is shown if it fails."""
    started = Processes(tmp_path, {"ROS_LOG_DIR": str(tmp_path / "ros")})
    yield started
    started.end_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the output of the processes to the report of a failed test, and where those that still run are."""
    report = yield
    started = getattr(item, "funcargs", {}).get("processes")
    if report.when == "call" and report.failed and isinstance(started, Processes):
        for process in started.started:
            process.abort()
        report.sections.extend((f"output of {process.name}", process.output) for process in started.started)
    return report
