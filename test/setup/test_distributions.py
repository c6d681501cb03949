# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Distributions side by side: folders, the choice by DISTRO, and the packages that one takes from another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from neurosurgeon_setup import distributions, packages, sharing, stamps
from neurosurgeon_setup.layout import DEFAULT, Layout
from neurosurgeon_setup.report import Problem, Reporter
from of_distribution import CHOSEN


def test_each_distribution_has_its_own_folders(root: Path) -> None:
    first, second = distributions.choose(root, None), distributions.choose(root, "kilted")
    assert (first.distribution, first.venv, first.install) == (DEFAULT, root / ".venv", root / "install")
    for name in ("venv", "build", "install", "log", "state", "environment_script"):
        assert getattr(first, name) != getattr(second, name)
        assert root / ".distributions" / "kilted" in getattr(second, name).parents
    assert first.requirements == second.requirements
    assert distributions.others(first) == [second]
    assert distributions.others(second) == [first]


@pytest.mark.parametrize("name", [None, "", "jazzy"])
def test_jazzy_is_the_default(root: Path, name: str | None) -> None:
    assert distributions.choose(root, name) == Layout(root)


@pytest.mark.parametrize("name", ["humble", "Kilted", "../jazzy", ".", " "])
def test_an_unknown_distribution_is_one_sentence(root: Path, name: str) -> None:
    with pytest.raises(Problem) as problem:
        distributions.choose(root, name)
    assert str(problem.value).startswith(f"DISTRO={name} is not a distribution of ROS 2 that comes as wheels: ")
    assert "expected jazzy or kilted" in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("command", ["tools/setup", "tools/run true", "./neurosurgeon", "make -s test"])
def test_every_command_refuses_an_unknown_distribution(root: Path, command: str) -> None:
    done = subprocess.run(
        command.split(), cwd=root, env={**os.environ, "DISTRO": "humble"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert said[0].startswith("setup: DISTRO=humble is not a distribution")


def test_each_file_of_chosen_tests_exists(root: Path) -> None:
    assert [path for path in CHOSEN if not (root / "test" / path).exists()] == []


def test_every_distribution_pins_what_it_brings_along(root: Path) -> None:
    for name in distributions.names(root):
        layout = Layout(root, name)
        pins = sharing.pins((*packages.requirements(layout), *packages.constraints(layout)))
        assert pins[f"ros-{name}-rclpy"].startswith(pins["ros-rclpy"])
        assert {"numpy", "opencv-python-headless", "torch", "ros-rmw-fastrtps-cpp"} <= pins.keys()


class TwoEnvironments:
    """Two checkouts' environments, of which the first has packages."""

    def __init__(self, root: Path) -> None:
        self.first, self.second = Layout(root), Layout(root, "kilted")
        for layout in (self.first, self.second):
            self.site(layout).mkdir(parents=True)
            (layout.venv / "bin").mkdir()
            (layout.venv / "pyvenv.cfg").write_text(
                f"home = /usr/bin\nversion = 3.12.3\ncommand = venv {layout.venv}\n"
            )
            for path in (*packages.requirements(layout), *packages.constraints(layout)):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("torch==2.0\n" if path.name == "runtime.txt" else "")

    @staticmethod
    def site(layout: Layout) -> Path:
        return layout.venv / "lib" / "python3.12" / "site-packages"

    def add(self, name: str, version: str, *more: str) -> None:
        """Install a package with a module, a script and other files into the first environment."""
        files = [f"{name}/__init__.py", f"../../../bin/{name}", *more, f"{name}-{version}.dist-info/RECORD"]
        for file in files:
            path = self.site(self.first) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = "".join(f"{other},,\n" for other in files)
            path.write_text(f"#!{self.first.venv}/bin/python\n" if "bin/" in file else text)
            path.chmod(0o755)


@pytest.fixture
def two(tmp_path: Path) -> TwoEnvironments:
    return TwoEnvironments(tmp_path / "a check out")


def test_a_package_of_the_same_version_is_linked(two: TwoEnvironments) -> None:
    two.add("torch", "2.0+cpu", "../../../share/man/torch.1")
    two.add("pip", "24.0")
    assert sharing.link(two.second, two.first, {"torch": "2.0"}) == 2
    for file in (
        "pip/__init__.py",
        "torch/__init__.py",
        "torch-2.0+cpu.dist-info/RECORD",
        "../../../share/man/torch.1",
    ):
        assert (two.site(two.second) / file).samefile(two.site(two.first) / file)
    script = two.second.venv / "bin" / "torch"
    assert script.read_text() == f"#!{two.second.venv}/bin/python\n"
    assert os.access(script, os.X_OK)
    assert (two.first.venv / "bin" / "torch").read_text() == f"#!{two.first.venv}/bin/python\n"


def test_other_versions_packages_of_ros_and_files_elsewhere_are_left_to_pip(two: TwoEnvironments) -> None:
    two.add("numpy", "1.26.4")
    two.add("ros_foonathan_memory_vendor", "1.3.1")
    two.add("strange", "1.0", "../../../../../elsewhere.txt")
    wanted = {"numpy": "2.4.6", "ros-foonathan-memory-vendor": "1.3.1", "strange": "1.0"}
    assert sharing.link(two.second, two.first, wanted) == 0
    assert list(two.site(two.second).iterdir()) == []


def test_files_are_copied_where_they_cannot_be_linked(two: TwoEnvironments, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    two.add("torch", "2.0+cpu")
    assert sharing.link(two.second, two.first, {"torch": "2.0"}) == 1
    copy, original = (two.site(layout) / "torch" / "__init__.py" for layout in (two.second, two.first))
    assert copy.read_text() == original.read_text()
    assert not copy.samefile(original)


def test_packages_are_taken_only_from_a_complete_environment_of_the_same_python(
    two: TwoEnvironments, capsys: pytest.CaptureFixture[str]
) -> None:
    (two.first.python).symlink_to("/bin/sh")
    two.add("torch", "2.0+cpu")
    taken = two.site(two.second) / "torch"
    packages.share(two.second, Reporter())
    assert not taken.exists(), "the first one has no stamp"
    stamps.write(two.first.venv, packages.fingerprint(two.first))
    before = (two.first.venv / "pyvenv.cfg").read_text()
    (two.first.venv / "pyvenv.cfg").write_text(before.replace("3.12", "3.11"))
    packages.share(two.second, Reporter())
    assert not taken.exists(), "the first one has another Python"
    (two.first.venv / "pyvenv.cfg").write_text(before)
    packages.share(two.second, Reporter())
    assert taken.exists()
    assert "packages taken from the environment of jazzy: 1" in capsys.readouterr().err


def test_versions_are_read_from_requirements(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("# a==1\nros-jazzy-rclpy[fastrtps]==7.1.6\nImageIO==2.38.1\nast_serialize==0.13.1\n\n")
    expected = {"ros-jazzy-rclpy": "7.1.6", "imageio": "2.38.1", "ast-serialize": "0.13.1"}
    assert sharing.pins([file]) == expected
