# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What depends on the RMW implementation, with the branch of the others taken."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from rclpy.qos import HistoryPolicy, ReliabilityPolicy

from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.process.dds import (
    PROFILES_FILE,
    Transport,
    applied_transport,
    apply_profile,
    profile_variable,
)
from neurosurgeon_ros.ros.process.middleware import (
    DEFAULT,
    VARIABLE,
    is_fast_dds,
    is_zenoh,
    rmw_name,
    what_is_skipped,
)

CYCLONE, ZENOH = "rmw_cyclonedds_cpp", "rmw_zenoh_cpp"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (VARIABLE, PROFILES_FILE, "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def leave_dead_segment(folder: Path) -> Path:
    """Write what a killed process leaves behind: a segment, and its lock file that nobody holds."""
    segment = folder / "fastrtps_0123456789abcdef"
    for path in (segment, Path(f"{segment}_el")):
        path.write_bytes(bytes(4096))
        os.utime(path, (time.time() - 60, time.time() - 60))
    return segment


@pytest.mark.parametrize(
    ("value", "fast_dds", "zenoh"),
    [
        (None, True, False),
        ("", True, False),
        ("rmw_fastrtps_cpp", True, False),
        ("rmw_fastrtps_dynamic_cpp", True, False),
        (CYCLONE, False, False),
        (ZENOH, False, True),
        ("rmw_connextdds", False, False),
    ],
)
def test_the_implementation_is_known_by_its_name(
    monkeypatch: pytest.MonkeyPatch, value: str | None, fast_dds: bool, zenoh: bool
) -> None:
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    assert rmw_name() == (value or DEFAULT)
    assert (is_fast_dds(), is_zenoh()) == (fast_dds, zenoh) == (is_fast_dds(rmw_name()), is_zenoh(rmw_name()))


@pytest.mark.parametrize("name", [CYCLONE, ZENOH])
def test_another_implementation_gets_no_profile_and_keeps_shared_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    segment = leave_dead_segment(tmp_path)
    before = dict(os.environ)
    monkeypatch.setenv(VARIABLE, name)
    for transport in Transport:
        assert apply_profile(transport, folder=tmp_path) == ""
        assert applied_transport() is None
    assert dict(os.environ) == {**before, VARIABLE: name}
    assert segment.exists()
    assert what_is_skipped().startswith(f"{name} runs with its own settings")


def test_fast_dds_gets_its_profile_and_dead_memory_is_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    segment = leave_dead_segment(tmp_path)
    monkeypatch.setenv(profile_variable(), "")  # so that it is as before after the test
    apply_profile(folder=tmp_path)
    assert os.environ[profile_variable()].endswith(".xml")
    assert applied_transport() is Transport.AUTO
    assert not segment.exists()
    assert what_is_skipped() == ""


@pytest.mark.parametrize(
    ("name", "history"),
    [("", HistoryPolicy.KEEP_LAST), (CYCLONE, HistoryPolicy.KEEP_LAST), (ZENOH, HistoryPolicy.KEEP_ALL)],
)
def test_requests_block_with_zenoh_instead_of_being_dropped(
    monkeypatch: pytest.MonkeyPatch, name: str, history: HistoryPolicy
) -> None:
    monkeypatch.setenv(VARIABLE, name)
    profile = qos.requests_for(2.0)
    assert (profile.history, profile.reliability) == (history, ReliabilityPolicy.RELIABLE)
    assert profile.lifespan.nanoseconds == 2_000_000_000
    assert qos.PARTIAL_INFERENCE.history == HistoryPolicy.KEEP_LAST, "the shared profile stays"
