# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile: the shipped one if shared memory has room for it, otherwise one that fits."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosurgeon_ros.ros.process import dds
from neurosurgeon_ros.ros.process.dds import (
    PROFILES_FILE,
    Transport,
    applied_transport,
    apply_profile,
    make_profile,
    segment_bytes,
)

MB = 1 << 20
SHIPPED = 32 * MB


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (PROFILES_FILE, "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def applied(monkeypatch: pytest.MonkeyPatch, free: int, transport: Transport = Transport.AUTO) -> tuple[str, str]:
    """Apply the profile with `free` bytes of shared memory; return its text and the reported problem."""
    monkeypatch.setattr(dds, "free_bytes", lambda folder: free)
    said = apply_profile(transport)
    path = Path(os.environ[PROFILES_FILE])
    monkeypatch.setenv(PROFILES_FILE, str(path))
    return path.read_text(), said


def test_the_shipped_profile_is_applied_where_there_is_room(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    assert applied(monkeypatch, 1000 * MB) == ((root / "config" / "fastdds.xml").read_text(), "")


def test_a_container_with_64_mb_gets_a_smaller_segment(monkeypatch: pytest.MonkeyPatch) -> None:
    text, said = applied(monkeypatch, 64 * MB)
    assert said == ""
    assert f"<segment_size>{16 * MB}</segment_size>" in text
    assert "neurosurgeon_udp" in text and "disable_heartbeat_piggyback" in text, "everything else stays"


def test_too_little_shared_memory_is_said_with_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    text, said = applied(monkeypatch, 2 * MB)
    assert "SHM" not in text and "neurosurgeon_udp" in text
    assert said.startswith("/dev/shm has 2.1 MB left, too little for shared memory") and "--shm-size" in said


def test_udp_alone_is_a_choice_and_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    text, said = applied(monkeypatch, 1000 * MB, Transport.UDP)
    assert "SHM" not in text and said == ""


def test_a_profile_that_a_parent_wrote_is_none_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    applied(monkeypatch, 64 * MB)
    assert f"<segment_size>{8 * MB}</segment_size>" in applied(monkeypatch, 40 * MB)[0]


def test_a_profile_of_no_segment_names_no_transport_that_is_gone(root: Path) -> None:
    made = ElementTree.fromstring(make_profile(root / "config" / "fastdds.xml", 0))
    assert "neurosurgeon_shm" not in ElementTree.tostring(made, encoding="unicode")


@given(free=st.integers(0, 1 << 36))
def test_three_nodes_find_room_one_after_the_other_or_none_takes_any(free: int) -> None:
    rest = free
    for _ in range(3):
        segment = segment_bytes(SHIPPED, rest)
        assert segment <= 0.3 * rest
        rest -= segment
    assert rest >= 0.34 * free
    assert segment_bytes(SHIPPED, free) >= MB or free < 4 * MB


def test_a_folder_of_another_user_is_not_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"neurosurgeon-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    text, said = applied(monkeypatch, 64 * MB)
    assert f"<segment_size>{SHIPPED}</segment_size>" in text
    assert "belongs to another user" in said and said.startswith("a Fast DDS profile that fits cannot be written")
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(
    "variables", [{"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}, {"ROS_LOCALHOST_ONLY": "1"}], ids=["range", "only"]
)
def test_udp_where_discovery_is_local_stays_on_the_loopback_interface(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    """rmw_fastrtps would add its own shared memory transport, so the discovery range is set in the profile."""
    for name in ("ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_LOCALHOST_ONLY"):
        monkeypatch.setenv(name, variables.get(name, "0"))
    text, said = applied(monkeypatch, 1000 * MB, Transport.UDP)
    assert said == ""
    assert text.count("<address>127.0.0.1</address>") == 2
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SYSTEM_DEFAULT"
    assert "ROS_LOCALHOST_ONLY" not in os.environ


def test_udp_across_machines_leaves_discovery_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "SUBNET")
    monkeypatch.delenv("ROS_LOCALHOST_ONLY", raising=False)
    text, _ = applied(monkeypatch, 1000 * MB, Transport.UDP)
    assert "127.0.0.1" not in text
    assert os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "SUBNET"


def test_the_transport_is_known_by_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert applied_transport() is None
    applied(monkeypatch, 1000 * MB)
    assert applied_transport() is Transport.AUTO
    monkeypatch.delenv(PROFILES_FILE)
    applied(monkeypatch, 1000 * MB, Transport.UDP)
    assert applied_transport() is Transport.UDP
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert applied_transport() is None
    monkeypatch.delenv("RMW_IMPLEMENTATION")
    own = tmp_path / "own.xml"
    own.write_text("<dds/>")
    monkeypatch.setenv(PROFILES_FILE, str(own))
    assert applied_transport() is None
