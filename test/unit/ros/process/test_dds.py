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
    NEWER_PROFILES_FILE,
    PROFILES_FILE,
    SHIPPED,
    Transport,
    applied_transport,
    apply_profile,
    forget_profile,
    make_profile,
    profile_advice,
    profile_variable,
    segment_bytes,
)

MB = 1 << 20
SEGMENT = 32 * MB

#: Names of the library of the version that reads a variable.
LIBRARY = {PROFILES_FILE: "libfastrtps.so.2.14.5", NEWER_PROFILES_FILE: "libfastdds.so.3.2.2"}

#: Elements that Fast DDS 3 names differently.
RENAMED = {
    "heartbeatPeriod": "heartbeat_period",
    "nackResponseDelay": "nack_response_delay",
    "heartbeatResponseDelay": "heartbeat_response_delay",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in SHIPPED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(dds, "machine_bytes", lambda: 64 << 30)


@pytest.fixture(autouse=True, params=SHIPPED)
def variable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Install a library of each version of Fast DDS in turn, and return the variable that it reads."""
    folder = tmp_path / "prefix" / "lib"
    folder.mkdir(parents=True)
    (folder / LIBRARY[request.param]).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    return str(request.param)


def applied(monkeypatch: pytest.MonkeyPatch, free: int, transport: Transport = Transport.AUTO) -> tuple[str, str]:
    """Apply the profile with `free` bytes of shared memory; return its text and the reported problem."""
    monkeypatch.setattr(dds, "free_bytes", lambda folder: free)
    said = apply_profile(transport)
    (variable,) = set(SHIPPED) & set(os.environ)
    path = Path(os.environ[variable])
    monkeypatch.setenv(variable, str(path))
    return path.read_text(), said


def settings(path: Path) -> list[tuple[str, str, str]]:
    """Return tag, attributes and text of all elements of a profile, in order, without their namespace."""
    elements = ElementTree.parse(path).iter()
    return [(one.tag.partition("}")[2], str(one.attrib), (one.text or "").strip()) for one in elements]


def test_both_profiles_have_the_same_settings(root: Path) -> None:
    older, newer = (settings(root / "config" / file) for file in SHIPPED.values())
    assert [(RENAMED.get(tag, tag), attributes, text) for tag, attributes, text in older] == newer
    assert {tag for tag, _, _ in older} >= {*RENAMED, "data_writer", "data_reader"}
    assert not {tag for tag, _, _ in newer} & {*RENAMED, "publisher", "subscriber"}


def test_the_version_is_told_by_the_library_that_is_found_first(
    monkeypatch: pytest.MonkeyPatch, variable: str, tmp_path: Path
) -> None:
    lib = tmp_path / "prefix" / "lib"
    assert profile_variable() == variable
    assert profile_advice() == f"{variable} naming this package's config/{SHIPPED[variable]}"
    (other,) = set(SHIPPED) - {variable}
    underlay = tmp_path / "underlay" / "lib"
    underlay.mkdir(parents=True)
    (underlay / LIBRARY[other]).touch()
    monkeypatch.setenv("LD_LIBRARY_PATH", f":/nowhere:{lib}:{underlay}")
    assert profile_variable() == variable
    monkeypatch.delenv("LD_LIBRARY_PATH")
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{underlay.parent}:{lib.parent}")
    assert profile_variable() == other
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    assert profile_variable() == PROFILES_FILE


def test_the_shipped_profile_is_applied_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, root: Path, variable: str
) -> None:
    assert applied(monkeypatch, 1000 * MB) == ((root / "config" / SHIPPED[variable]).read_text(), "")


def test_a_program_that_replaces_this_one_applies_the_profile_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    applied(monkeypatch, 1000 * MB)
    forget_profile()
    assert not set(SHIPPED) & set(os.environ)


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


@pytest.mark.parametrize("file", SHIPPED.values())
def test_a_profile_of_no_segment_names_no_transport_that_is_gone(root: Path, file: str) -> None:
    made = ElementTree.fromstring(make_profile(root / "config" / file, 0))
    assert "neurosurgeon_shm" not in ElementTree.tostring(made, encoding="unicode")


@given(free=st.integers(0, 1 << 36))
def test_three_nodes_find_room_one_after_the_other_or_none_takes_any(free: int) -> None:
    rest = free
    for _ in range(3):
        segment = segment_bytes(SEGMENT, rest, machine=64 << 30)
        assert segment <= 0.3 * rest
        rest -= segment
    assert rest >= 0.34 * free
    assert segment_bytes(SEGMENT, free, machine=64 << 30) >= MB or free < 4 * MB


@pytest.mark.parametrize(
    ("machine", "expected"), [(100 << 20, MB), (1 << 30, 4 * MB), (4_120_000_000, 16 * MB), (8 << 30, 32 * MB)]
)
def test_a_small_machine_gets_a_small_segment(monkeypatch: pytest.MonkeyPatch, machine: int, expected: int) -> None:
    assert segment_bytes(SEGMENT, 2 << 30, machine=machine) == expected
    monkeypatch.setattr(dds, "machine_bytes", lambda: machine)
    assert f"<segment_size>{expected}</segment_size>" in applied(monkeypatch, 2 << 30)[0]


def test_a_folder_of_another_user_is_not_written_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"neurosurgeon-{os.geteuid()}").symlink_to(tmp_path / "elsewhere")
    text, said = applied(monkeypatch, 64 * MB)
    assert f"<segment_size>{SEGMENT}</segment_size>" in text
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


def test_the_transport_is_known_by_the_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str) -> None:
    assert applied_transport() is None
    applied(monkeypatch, 1000 * MB)
    assert applied_transport() is Transport.AUTO
    forget_profile()
    applied(monkeypatch, 1000 * MB, Transport.UDP)
    assert applied_transport() is Transport.UDP
    monkeypatch.setenv("RMW_IMPLEMENTATION", "rmw_cyclonedds_cpp")
    assert applied_transport() is None
    monkeypatch.delenv("RMW_IMPLEMENTATION")
    own = tmp_path / "own.xml"
    own.write_text("<dds/>")
    for name in SHIPPED:
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.setenv(name, str(own))
        assert applied_transport() is None
        monkeypatch.delenv(name)
