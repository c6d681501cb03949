# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands in the documentation exist, with their options, launch arguments, parameters and topics."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neurosurgeon_ros.cli.main import make_parser
from neurosurgeon_ros.nodes.edge_parameters import EdgeParameters
from neurosurgeon_ros.nodes.robot_parameters import RobotParameters
from neurosurgeon_ros.nodes.video_node import VideoParameters

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PARAMETERS = {"robot_node": RobotParameters, "edge_node": EdgeParameters, "video_node": VideoParameters}
COMMANDS = ("./neurosurgeon", "neurosurgeon", "make", "ros2")
#: Verbs of ros2 that do not concern the nodes, and programs of other packages.
FOREIGN = ("pkg", "security")
FOREIGN_PACKAGES = ("diagnostic_aggregator", "nav2_lifecycle_manager", "rqt_robot_monitor")
#: Topics that a reader of the documentation may echo.
TOPICS = ("/detections", "/diagnostics", "/robot_node/decision", "/neurosurgeon/status")


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of each command that a page shows, in a block of code or within a sentence."""
    text = re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))
    shown = [line.strip().removeprefix("$ ") for line in text.splitlines() if re.match(r"( {4}|\.?/?[a-z0-9]+ )", line)]
    shown += re.findall(r"`([^`\n]+)`", text)
    for line in shown:
        line = re.split(r"\s+# ", line)[0]
        # Placeholders and commands of other packages cannot be checked.
        if line.split(" ")[0] in COMMANDS and " " in line and "…" not in line:
            yield shlex.split(line.replace("'", ""))


SHOWN = [(page, words) for page in PAGES for words in commands(page)]


def of(*programs: str) -> list[Any]:
    """Return the shown commands of some programs as parameters of a test, each once."""
    chosen = {f"{page.name}: {' '.join(words)}": words for page, words in SHOWN if words[0] in programs}
    return [pytest.param(words, id=name) for name, words in chosen.items()]


@pytest.mark.parametrize("words", of("./neurosurgeon", "neurosurgeon"))
def test_a_command_of_ours_is_understood(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        make_parser().parse_args(words[1:])
    # A page may omit a command's required arguments. It must not name a command or an option that does not exist.
    said = capsys.readouterr().err
    assert said == "" or "the following arguments are required" in said
    assert unknown_options(words, capsys) == set()


def unknown_options(words: list[str], capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Return the options of a shown command that its help does not list. argparse reports missing arguments first."""
    given = {word.split("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
    with contextlib.suppress(SystemExit):
        make_parser().parse_args([*(words[1:2] if not words[1].startswith("-") else []), "--help"])
    return given - set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", capsys.readouterr().out))


def test_an_option_that_there_is_not_is_found_though_an_argument_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert unknown_options(["neurosurgeon", "record", "--no-such-option"], capsys) == {"--no-such-option"}
    assert unknown_options(["neurosurgeon", "demo", "--uplink", "4"], capsys) == set()


@pytest.mark.parametrize("words", of("make"))
def test_a_target_is_in_the_makefile(words: list[str]) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert words[1] in targets


def launch_arguments(path: Path) -> set[str]:
    """Return the names that a launch file declares in its source: keys of tables, or words of a call."""
    text = path.read_text(encoding="utf-8")
    return set(re.findall(r'^    "(\w+)": \(', text, re.MULTILINE)) | set(
        re.findall(r'DeclareLaunchArgument\("(\w+)"', text)
    )


@pytest.mark.parametrize("words", of("ros2"))
def test_a_ros2_command_names_what_there_is(words: list[str]) -> None:
    verb, arguments = words[1], words[2:]
    if verb == "launch":
        path = ROOT / "launch" / arguments[1]
        given = {word.split(":=")[0] for word in arguments[2:] if ":=" in word}
        assert arguments[0] == "neurosurgeon_ros" and path.is_file()
        assert given <= launch_arguments(path)
    elif verb == "run" and arguments[0] not in FOREIGN_PACKAGES:
        assert arguments[0] == "neurosurgeon_ros" and (ROOT / "scripts" / arguments[1]).is_file()
        given = {word.split(":=")[0] for before, word in itertools.pairwise(arguments) if before == "-p"}
        assert given <= {field.name for field in dataclasses.fields(PARAMETERS[arguments[1]])}
    elif verb == "topic":
        assert arguments[0] in ("echo", "hz", "info", "list")
        assert [word for word in arguments[1:] if word.startswith("/") and word not in TOPICS] == []
    elif verb in ("param", "lifecycle"):
        node = next((word for word in arguments if word.startswith("/")), "/robot_node").removeprefix("/")
        if verb == "param" and arguments[0] in ("get", "set") and arguments[2] != "NAME":
            assert arguments[2] in {field.name for field in dataclasses.fields(PARAMETERS[node])}
    else:
        assert verb in (*FOREIGN, "bag", "run")


def test_the_pages_are_read() -> None:
    """The tests above must not pass because they read nothing."""
    verbs = {words[1] for _, words in SHOWN if words[0] == "ros2"}
    assert {"launch", "run", "topic", "param", "lifecycle"} <= verbs
    assert len(of("./neurosurgeon", "neurosurgeon")) > 15
    assert len(of("make")) > 5
    assert "namespace" in launch_arguments(ROOT / "launch" / "robot.launch.py")
