# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Set-up beside a native ROS 2: every branch, with fake tools on the PATH and a folder that stands for /."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from neurosurgeon_setup import native, native_machine
from neurosurgeon_setup.layout import Layout
from neurosurgeon_setup.native_machine import Options
from neurosurgeon_setup.report import Problem, Reporter

PI = "Raspberry Pi 5 Model B Rev 1.0"
JETSON = "NVIDIA Jetson Orin Nano Developer Kit"
UBUNTU = 'NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="{}"\n'

#: Programs of the system that the fakes and set-up's own shell lines need.
REAL = ("sh", "env", "mkdir", "cp", "cat", "dirname", "readlink")

#: The system's interpreter and, as a copy, that of the virtual environment. What it answers lies in files.
PYTHON = """\
fake=@FAKE@
echo "python3 $*" >> $fake/calls
case "$*" in
    *ensurepip*) [ ! -e $fake/no_venv ];;
    *find_spec*) [ ! -e $fake/broken ] || { echo "it is broken" >&2; exit 1; }; cat $fake/missing;;
    *"-m venv"*)
        [ ! -e $fake/venv_fails ] || { echo "no pip" >&2; exit 1; }
        for place; do :; done
        mkdir -p $place/bin && cp $0 $place/bin/python && cp $0 $place/bin/python3;;
    *"-m pip"*) cat $fake/pip; [ ! -s $fake/pip ];;
    *"import torch"*) [ -s $fake/torch ] || { echo "Illegal instruction" >&2; exit 132; }; cat $fake/torch;;
    *"start import missing"*) echo "$(cat $fake/lacks)";;
esac
"""


@dataclass
class Machine:
    """A machine of fakes, and a checkout on it."""

    folder: Path

    def __post_init__(self) -> None:
        for name in ("bin", "fake", "root/etc", "root/proc/device-tree", "checkout/src/neurosurgeon_ros/models"):
            (self.folder / name).mkdir(parents=True)
        for name in REAL:
            (self.folder / "bin" / name).symlink_to(str(shutil.which(name)))
        for name in ("git", "make", "cmake", "cc", "c++"):
            self.program(name, "exit 0")
        self.program("python3", PYTHON)
        self.program("ros2", 'echo "ros2 $*" >> @FAKE@/calls; [ ! -e @FAKE@/ros2_fails ]')
        self.program("colcon", 'echo "colcon $* $MAKEFLAGS" >> @FAKE@/calls; cat @FAKE@/colcon; [ ! -s @FAKE@/colcon ]')
        for name, text in (("missing", ""), ("pip", ""), ("torch", "2.13.0 0"), ("colcon", ""), ("lacks", "")):
            self.answer(name, text)
        self.kernel("Linux", "aarch64")
        self.file("proc/device-tree/model", f"{PI}\0")
        self.file("etc/os-release", UBUNTU.format("24.04"))
        self.file("proc/meminfo", "MemTotal:        4028000 kB\nMemFree:  100 kB\nSwapTotal:  0 kB\n")
        self.file("opt/ros/jazzy/setup.sh", "export ROS_DISTRO=jazzy\n")
        self.checkout.joinpath("src/neurosurgeon_ros/models/files.py").write_text(
            "from pathlib import Path\nFILES = {}\n"
            f"def cache_folder():\n    return Path({str(self.folder / 'cache')!r})\n"
        )

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def calls(self) -> str:
        path = self.folder / "fake" / "calls"
        return path.read_text() if path.exists() else ""

    def program(self, name: str, text: str) -> None:
        path = self.folder / "bin" / name
        path.write_text("#!/bin/sh\n" + text.replace("@FAKE@", str(self.folder / "fake")) + "\n")
        path.chmod(0o755)

    def without(self, name: str) -> None:
        (self.folder / "bin" / name).unlink()

    def kernel(self, system: str, processor: str) -> None:
        self.program("uname", f'case "$1" in -s) echo {system};; -m) echo {processor};; esac')

    def answer(self, name: str, text: str = "") -> None:
        (self.folder / "fake" / name).write_text(text)

    def file(self, name: str, text: str) -> None:
        path = self.folder / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def set_up(self, *, ros: Path | None = None, index: str = "") -> None:
        # colcon writes this script.
        installed = self.checkout / ".native" / "install" / "local_setup.sh"
        installed.parent.mkdir(parents=True, exist_ok=True)
        installed.touch()
        native.set_up(Layout(self.checkout), Options(ros, index, self.folder / "root"), Reporter())

    def problem(self, **options: object) -> str:
        with pytest.raises(Problem) as caught:
            self.set_up(**options)  # type: ignore[arg-type]
        text = str(caught.value)
        assert text.endswith(".") and "\n" not in text
        return text


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    for name in ("ROS_DISTRO", "VIRTUAL_ENV", "PYTHONPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(native, "FREE_BYTES", 0)
    monkeypatch.setattr(native, "CUDA_BYTES", 0)
    return made


def test_a_raspberry_pi_gets_everything_and_the_second_call_keeps_it(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.set_up()
    said = capsys.readouterr().err
    assert f"{PI}: aarch64, 4.1 GB of memory and swap" in said
    assert "PyTorch 2.13.0, without a GPU" in said and "Jetson" not in said
    assert "the nodes find everything" in said
    assert f"-m venv --system-site-packages {machine.checkout}/.native/venv" in machine.calls
    assert "pip install --progress-bar off torch>=2.2 numpy<2\n" in machine.calls
    assert "colcon --log-base" in machine.calls and "-DBUILD_TESTING=OFF" in machine.calls
    assert "ros2 pkg prefix neurosurgeon_ros" in machine.calls
    machine.set_up()
    assert machine.calls.count("-m venv") == 1 and machine.calls.count("pip install") == 2, "torch, and the others"
    assert machine.calls.count("colcon") == 2, "colcon itself knows what is built"


def test_the_script_gives_a_shell_everything(machine: Machine) -> None:
    machine.set_up()
    script = machine.checkout / ".native" / "setup.sh"
    done = subprocess.run(
        ["sh", "-c", f'. {script} && echo "$ROS_DISTRO $VIRTUAL_ENV" && command -v python3'],
        capture_output=True,
        text=True,
    )
    venv = machine.checkout / ".native" / "venv"
    assert done.stdout.split() == ["jazzy", str(venv), f"{venv}/bin/python3"], done.stderr


@pytest.mark.parametrize(("system", "processor"), [("Linux", "armv7l"), ("Darwin", "arm64")])
def test_another_processor_is_named(machine: Machine, system: str, processor: str) -> None:
    machine.kernel(system, processor)
    assert machine.problem().startswith(f"this machine is {system} on {processor}, and ROS 2 has packages for Linux on")


def test_little_memory_is_named_with_how_to_add_swap(machine: Machine) -> None:
    machine.file("proc/meminfo", "MemTotal:  500000 kB\nSwapTotal:  100000 kB\n")
    assert "0.6 GB of memory and swap, and a build needs 1 GB: add swap" in machine.problem()
    machine.file("proc/meminfo", "MemTotal:  500000 kB\nSwapTotal:  2000000 kB\n")
    machine.set_up()


@pytest.mark.parametrize(
    ("kilobytes", "processors", "said"),
    [
        (1_000_000, 4, "1 compiler at once"),
        (2_000_000, 4, "2 compilers at once"),
        (16_000_000, 4, "4 compilers at once"),
    ],
)
def test_no_more_compilers_run_than_memory_has_room_for(
    machine: Machine,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    kilobytes: int,
    processors: int,
    said: str,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    machine.file("proc/meminfo", f"MemTotal:  {kilobytes} kB\n")
    machine.set_up()
    assert said in capsys.readouterr().err and f" -j{said[0]}\n" in machine.calls


@pytest.mark.parametrize(
    ("model", "release", "said"),
    [
        (PI, UBUNTU.format("24.04"), "then `sudo apt install ros-jazzy-ros-base ros-jazzy-cv-bridge"),
        (
            PI,
            "ID=debian\nVERSION_ID=12\n",
            "this machine runs another system: call this in a container of ros:jazzy",
        ),
        (
            JETSON,
            UBUNTU.format("22.04"),
            "Ubuntu 22.04: call this in a container of ros:jazzy, on a Jetson one with",
        ),
    ],
)
def test_a_missing_ros_is_named_with_how_this_machine_gets_it(
    machine: Machine, model: str, release: str, said: str
) -> None:
    shutil.rmtree(machine.folder / "root/opt")
    machine.file("proc/device-tree/model", model)
    machine.file("etc/os-release", release)
    text = machine.problem()
    assert text.startswith(f"ROS 2 is not in {machine.folder}/root/opt/ros/jazzy") and said in text


def test_ros_is_taken_from_where_the_user_says(machine: Machine, tmp_path: Path) -> None:
    shutil.rmtree(machine.folder / "root/opt")
    assert f"{tmp_path}/ros has no setup.sh" in machine.problem(ros=tmp_path / "ros")
    machine.file("../ros/setup.sh", "export ROS_DISTRO=jazzy\n")
    machine.set_up(ros=tmp_path / "ros")
    assert f". {tmp_path}/ros/setup.sh\n" in (machine.checkout / ".native/setup.sh").read_text()


def test_the_distribution_that_is_sourced_is_looked_for(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    assert "root/opt/ros/kilted: add its package source" in machine.problem()
    machine.file("opt/ros/kilted/setup.sh", "export ROS_DISTRO=kilted\n")
    machine.answer("missing", "cv_bridge\n")
    assert "`sudo apt install ros-kilted-cv-bridge`" in machine.problem()


def test_a_ros_that_cannot_be_sourced_is_named(machine: Machine) -> None:
    machine.file("opt/ros/jazzy/setup.sh", "echo 'half installed' >&2\nreturn 1\n")
    assert "setup.sh fails (half installed): install that ROS 2 again" in machine.problem()


def test_all_missing_programs_are_named_in_one_line(machine: Machine) -> None:
    for name in ("colcon", "ros2", "cmake"):
        machine.without(name)
    machine.answer("no_venv")
    assert (
        "`sudo apt install cmake python3-colcon-common-extensions ros-jazzy-ros2cli-common-extensions python3-venv`"
        in machine.problem()
    )


def test_a_missing_interpreter_is_named(machine: Machine) -> None:
    machine.without("python3")
    assert "`sudo apt install python3`" in machine.problem()


def test_a_missing_compiler_is_named(machine: Machine) -> None:
    machine.without("c++")
    assert "no C++ compiler (c++) is on the PATH" in machine.problem()


def test_all_missing_modules_are_named_by_their_packages(machine: Machine) -> None:
    machine.answer("missing", "cv2 vision_msgs\n")
    assert "`sudo apt install python3-opencv ros-jazzy-vision-msgs`" in machine.problem()
    assert "-m venv" not in machine.calls


def test_an_interpreter_that_does_not_run_is_named(machine: Machine) -> None:
    machine.answer("broken")
    assert "python3 does not run in the environment of ROS 2 (it is broken)" in machine.problem()


def test_a_full_disk_is_named(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "FREE_BYTES", 10**18)
    assert "of free disk space where set-up needs" in machine.problem()
    machine.file("proc/device-tree/model", JETSON)
    machine.set_up()


def test_a_virtual_environment_that_is_active_is_left(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    active = machine.folder / "active"
    (active / "bin").mkdir(parents=True)
    (active / "bin" / "python3").write_text("#!/bin/sh\nexit 3\n")
    (active / "bin" / "python3").chmod(0o755)
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    monkeypatch.setenv("PATH", f"{active}/bin:{machine.folder}/bin")
    variables = native_machine.sourced(machine.folder / "root/opt/ros/jazzy")
    assert shutil.which("python3", path=variables["PATH"]) == f"{machine.folder}/bin/python3"
    machine.set_up()


def test_venv_that_fails_is_named_and_tried_again(machine: Machine) -> None:
    machine.answer("venv_fails")
    assert "python3 -m venv fails (no pip): `sudo apt install python3-venv`" in machine.problem()
    (machine.folder / "fake/venv_fails").unlink()
    machine.set_up()


def test_pip_that_fails_is_named_and_tried_again(machine: Machine) -> None:
    machine.answer("pip", "ERROR: No matching distribution found for torch>=2.2\n")
    assert "pip could not get torch>=2.2 (No matching distribution found for torch>=2.2)" in machine.problem()
    machine.answer("pip")
    machine.set_up()
    assert machine.calls.count("-m venv") == 2, "a half-filled environment is made again"


def test_torch_that_does_not_run_is_named_and_another_index_gets_another(machine: Machine) -> None:
    machine.answer("torch")
    assert "does not run on this machine (Illegal instruction): name an index" in machine.problem()
    machine.answer("torch", "2.9.0 0")
    machine.set_up(index="https://torch.example/whl")
    assert "--index-url https://torch.example/whl torch>=2.2 numpy<2\n" in machine.calls
    assert machine.calls.count("--index-url") == 1, "the others come from pip's own index"


@pytest.mark.parametrize(("gpu", "told"), [(0, True), (1, False)])
def test_a_jetson_is_told_if_its_gpu_is_not_used(
    machine: Machine, capsys: pytest.CaptureFixture[str], gpu: int, told: bool
) -> None:
    machine.file("proc/device-tree/model", "")
    machine.file("etc/nv_tegra_release", "# R36\n")
    machine.answer("torch", f"2.9.0 {gpu}")
    machine.set_up()
    said = capsys.readouterr().err
    assert "a Jetson: aarch64" in said
    assert ("this Jetson's GPU is not used: name the index of NVIDIA" in said) is told


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "c++: fatal error: Killed signal terminated program cc1plus\n",
            "a compiler was killed for want of memory",
        ),
        ("CMake Error: no rosidl\n", "colcon could not build the package: mend what the end of its output names"),
    ],
)
def test_a_build_that_fails_is_named(machine: Machine, output: str, said: str) -> None:
    machine.answer("colcon", output)
    assert machine.problem().startswith(said)


def test_nodes_that_lack_something_are_named(machine: Machine) -> None:
    machine.answer("lacks", "cv2 is 4.5, at least 4.6 is needed: apt install python3-opencv")
    machine.program("ros2", f"echo {machine.checkout}/.native/install")
    assert "the nodes lack something: cv2 is 4.5, at least 4.6 is needed" in machine.problem()
    machine.answer("ros2_fails")
    machine.program("ros2", "echo 'Package not found' >&2; exit 1")
    assert "does not start (Package not found)" in machine.problem()


class TestCommand:
    """tools/setup --native itself, from its first line."""

    def run(self, root: Path, path: Path) -> subprocess.CompletedProcess[str]:
        words = [root / "tools" / "setup", "--native"]
        return subprocess.run(words, env={"PATH": str(path)}, capture_output=True, text=True, timeout=30)

    def test_it_runs_with_the_system_s_interpreter(self, machine: Machine, root: Path) -> None:
        machine.program("python3", 'echo "$*"')
        done = self.run(root, machine.folder / "bin")
        assert done.stdout == f"-E -S -B {root}/tools/setup_environment.py --native\n", done.stderr

    def test_it_names_a_missing_interpreter(self, machine: Machine, root: Path) -> None:
        machine.without("python3")
        done = self.run(root, machine.folder / "bin")
        assert done.returncode == 1 and "there is no python3 on the PATH" in done.stderr
