# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line, the screen and the file of ``neurosurgeon doctor``; what it finds has tests of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neurosurgeon_ros.cli.doctor.screen import is_well, show, to_json
from neurosurgeon_ros.cli.main import main
from neurosurgeon_ros.doctor.finding import error, ok, skipped, warning

LONG = "word " * 40
FINDINGS = (
    ok("domain", "it is 7"),
    skipped("images", LONG),
    warning("clocks", "apart", LONG),
    error("model", "x", "y"),
)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seconds", "0.5"], "'0.5' is not a number from 1 to 60 s"),
        (["--robot", "robot_node"], "--robot: 'robot_node' is not fully qualified"),
        (["--robot", "/robot/"], "--robot: '/robot/' is not fully qualified"),
        (["--edge-namespace", "edge"], "--edge-namespace: 'edge' is not fully qualified"),
        (["--peer", "a;b"], "--peer: 'a;b' is not an address"),
        (["--peer", ""], "--peer: '' is not an address"),
        (["--json", "/nowhere/x.json"], "--json: /nowhere is not a folder"),
    ],
)
def test_a_bad_option_is_refused_in_one_sentence(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["doctor", *options])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else -1
    out, text = capsys.readouterr()
    assert (code, out) == (2, "")
    assert said in text and text.count("\n") == 1


def test_a_domain_that_is_no_number_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "seven")
    assert main(["doctor", "--seconds", "1"]) == 2
    text = capsys.readouterr().err
    assert "neurosurgeon doctor: ROS 2 refuses the environment of this shell: " in text


def test_the_screen_has_eighty_columns_and_says_where_to_begin(capsys: pytest.CaptureFixture[str]) -> None:
    show(FINDINGS, 4.25)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["ok", "domain", "it", "is", "7"]
    assert any(line.strip() == "→ y" for line in lines)
    assert lines[-1] == "1 error and 1 warning: begin with the first (looked for 4.2 s)"
    show(FINDINGS[:2], 1.0)
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing to do (looked for 1.0 s)"


def test_names_from_the_network_are_not_taken_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show((error("model", "[bold]x[/bold] [/oops]", "[red]y"),), 1.0)
    assert "[bold]x[/bold] [/oops]" in capsys.readouterr().out


def test_the_file_has_every_finding(tmp_path: Path) -> None:
    content = json.loads(to_json(FINDINGS, 4.25))
    assert content["seconds"] == 4.25
    assert content["findings"][3] == {"name": "model", "state": "error", "what": "x", "what_to_do": "y"}
    assert [one["state"] for one in content["findings"]] == ["ok", "skipped", "warning", "error"]


def test_skipped_checks_need_no_action() -> None:
    assert is_well(FINDINGS[:2])
    assert not is_well(FINDINGS[:3])
    assert not is_well(FINDINGS[3:])
