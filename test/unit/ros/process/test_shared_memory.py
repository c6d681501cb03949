# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A process notices that the shared memory through which it receives was removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurosurgeon_ros.ros.process.shared_memory import ReadPorts, read_ports

_SHARED = Path("/dev/shm")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield a folder like the /proc folder of a process that reads one port and writes another, and the read port."""
    name = f"test{uuid.uuid4().hex}"
    mine, other = _SHARED / f"{name}_port7411", _SHARED / f"{name}_port7413"
    (tmp_path / "fd").mkdir()
    (tmp_path / "fd" / "5").symlink_to(f"{mine}_el")
    (tmp_path / "fd" / "6").symlink_to("socket:[1]")
    (tmp_path / "fd" / "7").symlink_to(_SHARED / f"{name}_0123456789abcdef_el")
    for path in (mine, other):
        path.touch()
    yield tmp_path, mine
    for path in (mine, other):
        path.unlink(missing_ok=True)


def _map(process: Path, *ports: Path, deleted: tuple[Path, ...] = ()) -> None:
    lines = ["7f00-7f10 r-xp 00000000 fe:00 4046910                    /usr/lib/libfastrtps.so.2.14"]
    lines += [f"7f10-7f20 rw-s 00000000 00:1b {path.stat().st_ino}                    {path}" for path in ports]
    lines += [f"7f20-7f30 rw-s 00000000 00:1b 12                    {path} (deleted)" for path in deleted]
    (process / "maps").write_text("\n".join(lines) + "\n")


def _seen_and_replaced(folder: Path, mine: Path) -> ReadPorts:
    """Check a port, and check it again after another file has taken its name."""
    _map(folder, mine)
    ports = ReadPorts(folder)
    assert not ports.lost()
    # Created before the first file is removed, so that it cannot have the same inode.
    other = mine.with_name(f"{mine.name}_new")
    other.touch()
    other.rename(mine)
    _map(folder, deleted=(mine,))
    assert not ports.lost()
    return ports


def test_only_ports_with_a_lock_are_read(process: tuple[Path, Path]) -> None:
    folder, mine = process
    assert read_ports(folder) == {str(mine)}


def test_a_port_that_stays_is_not_lost(process: tuple[Path, Path]) -> None:
    folder, mine = process
    _map(folder, mine)
    ports = ReadPorts(folder)
    assert [ports.lost() for _ in range(4)] == [frozenset()] * 4


def test_a_port_that_was_removed_is_lost_at_the_second_look(process: tuple[Path, Path]) -> None:
    folder, mine = process
    _map(folder, mine)
    ports = ReadPorts(folder)
    assert not ports.lost()
    mine.unlink()
    _map(folder, deleted=(mine,))
    assert not ports.lost()
    assert ports.lost() == {str(mine)}


def test_a_port_that_another_process_made_in_its_place_is_no_consolation(process: tuple[Path, Path]) -> None:
    folder, mine = process
    ports = _seen_and_replaced(folder, mine)
    assert ports.lost() == {str(mine)}


def test_a_port_that_the_middleware_replaced_is_not_lost(process: tuple[Path, Path]) -> None:
    folder, mine = process
    ports = _seen_and_replaced(folder, mine)
    _map(folder, mine, deleted=(mine,))
    assert [ports.lost() for _ in range(3)] == [frozenset()] * 3


def test_one_of_two_ports_that_was_gone_from_the_start_is_lost(process: tuple[Path, Path]) -> None:
    folder, mine = process
    other = mine.with_name(mine.name.replace("7411", "7413"))
    (folder / "fd" / "8").symlink_to(f"{other}_el")
    mine.unlink()
    _map(folder, other, deleted=(mine,))
    ports = ReadPorts(folder)
    assert not ports.lost()
    assert ports.lost() == {str(mine)}


def test_a_lock_that_was_removed_with_its_port_still_names_it(process: tuple[Path, Path]) -> None:
    folder, mine = process
    (folder / "fd" / "5").unlink()
    (folder / "fd" / "5").symlink_to(f"{mine}_el (deleted)")
    mine.unlink()
    _map(folder, deleted=(mine,))
    ports = ReadPorts(folder)
    assert not ports.lost()
    assert ports.lost() == {str(mine)}


def test_where_there_is_no_such_folder_nothing_is_lost(tmp_path: Path) -> None:
    ports = ReadPorts(tmp_path / "nowhere")
    assert [ports.lost() for _ in range(3)] == [frozenset()] * 3
