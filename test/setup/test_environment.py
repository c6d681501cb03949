# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A checkout's commands as users call them: from any folder, through a link, with their own modules."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from neurosurgeon_setup.layout import Layout, complete_environment, environment, environment_lines

SHELLS = [shell for shell in ("sh", "bash", "dash", "zsh") if shutil.which(shell)]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    root = tmp_path / "a check out"
    (root / ".venv" / "lib" / "python3.12" / "site-packages").mkdir(parents=True)
    return Layout(root)


def sourced(layout: Layout, caller: Mapping[str, str], *, shell: str = "sh", times: int = 1) -> dict[str, str]:
    """Return the variables after the script was sourced, in a shell that treats unset variables as errors."""
    script = layout.root / "environment.sh"
    script.write_text(environment_lines(layout))
    lines = ["set -eu", *[f". {shlex.quote(str(script))}"] * times, "env -0"]
    done = subprocess.run(
        [shell, "-c", "\n".join(lines)],
        env={"PATH": os.environ["PATH"], **caller},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return dict(line.split("=", 1) for line in done.stdout.split("\0") if "=" in line)


def ours(layout: Layout) -> list[str]:
    return [str(layout.root / place / "lib" / "python3.12" / "site-packages") for place in ("install", ".venv")]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_callers_modules_stay_in_reach_behind_ours(layout: Layout, shell: str) -> None:
    caller = {"PYTHONPATH": "/home/me/my nets:../sub::/home/me/lib*"}
    path = sourced(layout, caller, shell=shell)["PYTHONPATH"].split(":")
    assert path == [*ours(layout), "/home/me/my nets", "../sub", "/home/me/lib*"]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_sourced_ros_2_does_not_come_in(layout: Layout, shell: str) -> None:
    caller = {
        "AMENT_PREFIX_PATH": "/ws/install/a:/ros/jazzy/",
        "COLCON_PREFIX_PATH": "/ws/install:/other/install/",
        "PYTHONPATH": "/ws/build/b:/mine:/ws/install/a/lib/python3.12/site-packages:/opt/ros/jazzy/lib/python:"
        "/other/build/c:/ros/jazzy/lib:/opt/rosy:/ws/src:/ros/jazzy_too",
    }
    found = sourced(layout, caller, shell=shell)
    assert found["PYTHONPATH"].split(":") == [*ours(layout), "/mine", "/opt/rosy", "/ws/src", "/ros/jazzy_too"]
    assert "COLCON_PREFIX_PATH" not in found
    assert "/ws" not in found["AMENT_PREFIX_PATH"]


@pytest.mark.parametrize("caller", [{}, {"PYTHONPATH": ""}, {"PYTHONPATH": ":"}, {"PYTHONPATH": "/opt/ros/jazzy/lib"}])
def test_without_modules_of_the_callers_only_ours_are_named(layout: Layout, caller: dict[str, str]) -> None:
    assert sourced(layout, caller)["PYTHONPATH"] == environment(layout)["PYTHONPATH"] == ours(layout)[0]


def test_sourced_twice_it_is_the_same(layout: Layout) -> None:
    caller = {"AMENT_PREFIX_PATH": "/ros", "PYTHONPATH": "/mine:/ros/lib"}
    assert sourced(layout, caller, times=2)["PYTHONPATH"] == sourced(layout, caller)["PYTHONPATH"]


def test_nothing_else_is_left_in_the_callers_shell(layout: Layout) -> None:
    left = sourced(layout, {"PYTHONPATH": "/mine"}).keys() - {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    assert left == environment(layout).keys() - {"PATH"}


def test_what_is_built_does_not_depend_on_the_callers_modules(layout: Layout) -> None:
    assert complete_environment(layout, {"PYTHONPATH": "/mine"})["PYTHONPATH"] == ours(layout)[0]


def test_the_distribution_goes_into_the_callers_shell(layout: Layout) -> None:
    caller = {"DISTRO": "kilted", "ROS_DISTRO": "humble"}
    found = sourced(layout, caller)
    assert (found["DISTRO"], found["ROS_DISTRO"]) == ("jazzy", "jazzy")
    assert (environment(Layout(layout.root, "kilted"))["DISTRO"]) == "kilted"


@pytest.mark.parametrize("program", ["neurosurgeon", "tools/run"])
def test_a_command_works_in_a_path_with_spaces_from_any_folder_and_by_a_link(
    layout: Layout, root: Path, program: str, tmp_path: Path
) -> None:
    copy = layout.root
    for name in ("neurosurgeon", "tools/run"):
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copy(root / name, copy / name)
    # This checkout is set up, so set-up has nothing to do. The environment script is that of the copy.
    (copy / "tools" / "setup").symlink_to(root / "tools" / "setup")
    place = Layout(copy, os.environ["DISTRO"]).place
    place.mkdir(parents=True, exist_ok=True)
    (place / ".setup").symlink_to(Layout(root, os.environ["DISTRO"]).state)
    links = tmp_path / "my links"
    links.mkdir()
    (links / "first").symlink_to(copy / program)
    (links / "second").symlink_to("first")
    words = ["--help"] if program == "neurosurgeon" else ["neurosurgeon", "--help"]
    for command, folder in ((copy / program, "/"), (links / "second", links), ("./second", links)):
        done = subprocess.run([command, *words], cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("usage: neurosurgeon")


OWN = """
import torch
from torch import nn


def make():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return network, torch.zeros(1, 3, 32, 32)
"""


def partitions(root: Path, name: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does whose shell has no variables of this checkout."""
    caller = {name: os.environ[name] for name in ("PATH", "HOME", "DISTRO") if name in os.environ}
    return subprocess.run(
        [root / "neurosurgeon", "partitions", name, "--json"],
        cwd=folder,
        env={**caller, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_network_of_ones_own_is_found_in_the_current_folder_and_on_pythonpath(root: Path, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "my networks", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (folder / "my.py").write_text(OWN)
    for place, variables in (
        (folder, {}),
        (elsewhere, {"PYTHONPATH": str(folder)}),
        (elsewhere, {"PYTHONPATH": "../my networks"}),
    ):
        done = partitions(root, "my:make", place, **variables)
        assert done.returncode == 0, done.stderr

    done = partitions(root, "my:make", elsewhere, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    for part in ("'my:make'", f"current folder ({elsewhere})", f"PYTHONPATH ({tmp_path})", "install its package"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
