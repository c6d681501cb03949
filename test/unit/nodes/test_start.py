# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Missing modules are named, and the user's DDS profile is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from neurosurgeon_ros.nodes import start
from neurosurgeon_ros.ros.process.dds import SHIPPED, apply_profile, profile_variable
from neurosurgeon_ros.ros.process.installed import apt_package


def test_nothing_is_missing_here() -> None:
    assert start.missing("robot_node") == []


@pytest.mark.parametrize("module", ["torch", "cv_bridge", "vision_msgs", "cv2", "scipy"])
def test_a_module_that_is_not_there_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (problem,) = start.missing("robot_node")
    assert problem.startswith(f"{module} cannot be imported")
    assert "install" in problem


@pytest.mark.parametrize(("variable", "named"), [("kilted", "kilted"), ("", "jazzy")])
def test_a_package_is_named_for_the_distribution_that_is_sourced(
    monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    monkeypatch.setenv("ROS_DISTRO", variable)
    assert apt_package("cv_bridge") == f"ros-{named}-cv-bridge"


def test_a_robot_imports_at_its_start_only_what_it_uses() -> None:
    program = "import sys, neurosurgeon_ros.nodes.robot_node; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {"scipy", "skimage", "matplotlib", "onnx", "rich"} & set(imported.split())


def test_a_module_that_is_too_old_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    old = types.ModuleType("torch")
    old.__version__ = "2.1.9+cpu"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", old)
    (problem,) = start.missing("robot_node")
    assert "torch is 2.1.9, at least 2.2 is needed" in problem


def test_an_executable_says_what_is_missing_and_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert start.start("robot_node") == 1
    said = capsys.readouterr().err
    assert said.startswith("robot_node: torch cannot be imported")
    assert len(said.splitlines()) == 1


def test_the_shipped_profile_is_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SHIPPED:
        monkeypatch.delenv(name, raising=False)
    apply_profile()
    (name,) = set(SHIPPED) & set(os.environ)
    profile = Path(os.environ[name])
    monkeypatch.delenv(name)
    assert name == profile_variable()
    assert profile.name == SHIPPED[name] and profile.is_file()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_users_profile_is_kept(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for other in SHIPPED:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, "/home/me/mine.xml")
    before = dict(os.environ)
    apply_profile()
    assert dict(os.environ) == before
