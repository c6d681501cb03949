# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorded links in both formats, and files that are not recorded links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neurosurgeon_ros.simulation.link_files import read_link, read_links


def rates(folder: Path, text: str | bytes) -> list[float]:
    path = folder / "drive.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return [float(mbps) for mbps in read_link(path)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mbps\n10\n0\n0.0\n5.5\n", [10.0, 0.0, 0.0, 5.5]),
        ("frame,mbps\n1,10\n2,20.5\n", [10.0, 20.5]),
        ("\ufeffmbps\r\n10\r\n\r\n5\r\n", [10.0, 5.0]),
    ],
    ids=["rates alone", "with other columns", "as Excel writes it"],
)
def test_a_csv_has_a_row_for_each_100_ms(tmp_path: Path, text: str, expected: list[float]) -> None:
    assert rates(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seconds,mbps\n0,8\n0.1,0\n0.2,4\n", [8.0, 0.0, 4.0]),
        ("seconds, mbps\n5, 8\n5.3, 0\n5.5, 2\n", [8.0, 8.0, 8.0, 0.0, 0.0, 2.0, 2.0]),
        ("mbps,seconds\n8,0\n0,0.05\n4,0.1\n0,0.15\n", [4.0, 2.0]),
        ("seconds,mbps\n7,3\n", [3.0]),
        ("seconds,mbps\n0,3\n0.01,1\n", [4.0 * 0.01 / 0.1]),
    ],
    ids=["already 100 ms", "longer rows", "shorter rows", "one row", "less than 100 ms"],
)
def test_times_are_resampled(tmp_path: Path, text: str, expected: list[float]) -> None:
    assert rates(tmp_path, text) == pytest.approx(expected)


def test_a_resampled_outage_is_exactly_zero(tmp_path: Path) -> None:
    lines = [f"{1.7e9 + 0.07 * k:.2f},{0 if 100 <= k < 200 else 1.1}" for k in range(300)]
    mbps = rates(tmp_path, "seconds,mbps\n" + "\n".join(lines))
    assert mbps[71:139] == [0.0] * 68
    assert sum(mbps) * 0.1 == pytest.approx(200 * 0.07 * 1.1, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0\n0\n99\n100\n300\n", [0.36, 0.12, 0.12]),
        ("50\n250\n", [0.12, 0.0, 0.12]),
        ("\n 1 \n1\n", [0.24]),
    ],
    ids=["repeats", "an outage", "spaces"],
)
def test_mahimahis_form_has_a_packet_on_each_line(tmp_path: Path, text: str, expected: list[float]) -> None:
    assert rates(tmp_path, text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "drive.csv has no rows; give a CSV with a column mbps, or a trace of mahimahi"),
        ("\n\n", "has no rows;"),
        ("mbps\n", "has no rows below its header"),
        ("seconds,mbps\n", "has no rows below its header"),
        ("rate\n10\n", "has no column mbps; give a CSV"),
        ("mbps\n10\n-3\n", "line 3, column mbps is '-3', but must be a finite number of at least 0"),
        ("mbps\n10\n\n-3\n", "line 4, column mbps is '-3'"),
        ("time,mbps\n1,10\n2\n", "line 3, column mbps is None"),
        ("time,mbps\n1,\n", "line 2, column mbps is ''"),
        ("mbps\ninf\n", "line 2, column mbps is 'inf'"),
        ("mbps\nnan\n", "line 2, column mbps is 'nan'"),
        ("mbps\nfast\n", "line 2, column mbps is 'fast'"),
        ("mbps\n0\n0\n", "holds no rate above 0 Mbit/s, and needs at least one"),
        ("seconds,mbps\n0,0\n1,0\n", "holds no rate above 0 Mbit/s"),
        ("seconds,mbps\n1,4\n0.5,4\n", "line 3, column seconds is '0.5', but must be above the 1 before it"),
        ("seconds,mbps\n1,4\n1,4\n", "line 3, column seconds is '1', but must be above the 1 before it"),
        ("seconds,mbps\n1,4\nlater,4\n", "line 3, column seconds is 'later', but must be a finite number"),
        ("seconds,mbps\n1,4\n,4\n", "line 3, column seconds is ''"),
        ("seconds,mbps\n0,4\n1e15,4\n", "may last at most 86400 s"),
        ("10\n-5\n", "line 2 is '-5', but must be a whole number of milliseconds"),
        ("-5\n10\n", "line 1 is '-5', but must be a whole number"),
        ("10\n20.5\n", "line 2 is '20.5', but must be a whole number"),
        ("10\nsoon\n", "line 2 is 'soon', but must be a whole number"),
        ("10\n\n5\n", "line 3 is '5', but must be at least the 10 before it"),
        ("0\n0\n", "ends at 0 ms, and must be longer"),
        ("1\n99999999999999999999\n", "may last at most 86400 s"),
        (b"mbps\n\xff\xfe\n", "is not text; give a CSV"),
    ],
)
def test_a_file_that_is_no_link_is_refused_in_one_sentence(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        rates(tmp_path, text)
    assert len(str(refused.value).splitlines()) == 1
    assert "drive.csv" in str(refused.value)


def test_a_folders_links_come_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "umts.csv").write_text("mbps\n1\n")
    (tmp_path / "lte.up").write_text("100\n")
    (tmp_path / ".hidden").write_text("no link\n")
    (tmp_path / "older").mkdir()
    links = read_links(tmp_path)
    assert [(name, mbps.tolist()) for name, mbps in links.items()] == [("lte", [0.12]), ("umts", [1.0])]


def test_a_folder_without_links_or_with_two_of_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no link in .*; each file must be a CSV"):
        read_links(tmp_path)
    for name in ("lte.csv", "lte.up"):
        (tmp_path / name).write_text("mbps\n1\n")
    with pytest.raises(ValueError, match="holds two links 'lte'"):
        read_links(tmp_path)
