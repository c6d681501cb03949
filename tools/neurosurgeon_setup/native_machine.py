# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a machine with a native ROS 2 has: its board, ROS 2 itself, and the packages of the system."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .machine import check_compiler
from .report import Problem

#: The distribution whose packages are expected, and the Ubuntu that has them.
DISTRIBUTION, UBUNTU = "jazzy", "24.04"

#: Processors with 64 bits, as uname names them.
PROCESSORS = ("aarch64", "x86_64")

#: Least memory with swap that a build needs, in bytes.
LEAST_BYTES = 1_000_000_000

#: Modules that ROS and Ubuntu provide, with their packages.
_MODULES = {
    "numpy": "python3-numpy",
    "cv2": "python3-opencv",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
    "rclpy": "ros-{distribution}-rclpy",
    "cv_bridge": "ros-{distribution}-cv-bridge",
    "vision_msgs": "ros-{distribution}-vision-msgs",
    "visualization_msgs": "ros-{distribution}-visualization-msgs",
    "diagnostic_msgs": "ros-{distribution}-diagnostic-msgs",
}

#: Programs, with the packages that have them.
_PROGRAMS = {
    "git": "git",
    "make": "make",
    "cmake": "cmake",
    "colcon": "python3-colcon-common-extensions",
}

_LOOK_FOR_MODULES = "import importlib.util as u, sys; print(*(m for m in sys.argv[1:] if u.find_spec(m) is None))"


@dataclass(frozen=True)
class Options:
    """
    What the user asks for.

    :param ros: prefix of the native ROS 2; None: /opt/ros/jazzy, or the one that is sourced
    :param torch_index: index to take torch from, in place of pip's own; empty: pip's own
    :param root: folder that stands for /, for tests
    """

    ros: Path | None = None
    torch_index: str = ""
    root: Path = Path("/")


@dataclass(frozen=True)
class Board:
    """
    The machine.

    :param name: what its device tree calls it, or "this machine"
    :param processor: as uname names it
    :param jetson: whether it is a Jetson, with an NVIDIA GPU
    :param ubuntu: its version of Ubuntu; empty if it runs something else
    :param memory: bytes of memory and swap together
    """

    name: str
    processor: str
    jetson: bool
    ubuntu: str
    memory: int


def look_at_board(root: Path) -> Board:
    """
    Return what the machine is.

    :raises Problem: if it does not run Linux with 64 bits, or has too little memory for a build
    """
    system, processor = _answer(["uname", "-s"]), _answer(["uname", "-m"])
    if system != "Linux" or processor not in PROCESSORS:
        raise Problem(
            f"this machine is {system} on {processor}, and ROS 2 has packages for Linux on {' and '.join(PROCESSORS)} "
            "only: install a 64-bit Ubuntu."
        )
    model = _read(root / "proc/device-tree/model").rstrip("\0\n")
    jetson = "Jetson" in model or (root / "etc/nv_tegra_release").exists()
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', _read(root / "etc/os-release"), re.MULTILINE))
    numbers = {
        name: int(kilobytes) for name, kilobytes in re.findall(r"(\w+): +(\d+) kB", _read(root / "proc/meminfo"))
    }
    memory = 1024 * (numbers.get("MemTotal", 0) + numbers.get("SwapTotal", 0))
    if numbers and memory < LEAST_BYTES:
        raise Problem(
            f"this machine has {memory / 1e9:.1f} GB of memory and swap, and a build needs {LEAST_BYTES / 1e9:.0f} GB: "
            "add swap, for example with `sudo fallocate -l 2G /swap && sudo chmod 600 /swap && sudo mkswap /swap && "
            "sudo swapon /swap`."
        )
    return Board(
        name=model or ("a Jetson" if jetson else "this machine"),
        processor=processor,
        jetson=jetson,
        ubuntu=release.get("VERSION_ID", "") if release.get("ID") == "ubuntu" else "",
        memory=memory,
    )


def find_ros(options: Options, board: Board) -> Path:
    """
    Return the prefix of the native ROS 2: the one that the user names, else the sourced one, else /opt/ros/jazzy.

    :raises Problem: if there is none, with how to install it on this machine
    """
    distribution = os.environ.get("ROS_DISTRO") or DISTRIBUTION
    prefix = options.ros or options.root / "opt/ros" / distribution
    if (prefix / "setup.sh").is_file():
        return prefix
    if options.ros is not None:
        raise Problem(f"{prefix} has no setup.sh: name the prefix of an installed ROS 2, such as /opt/ros/jazzy.")
    if board.ubuntu == UBUNTU:
        raise Problem(
            f"ROS 2 is not in {prefix}: add its package source as docs.ros.org/en/{distribution} describes, then "
            f"`sudo apt install ros-{distribution}-ros-base ros-{distribution}-cv-bridge "
            f"ros-{distribution}-vision-msgs python3-colcon-common-extensions`, or name its prefix with --ros."
        )
    jetson = ", on a Jetson one with NVIDIA's runtime (`docker run --runtime nvidia`)" if board.jetson else ""
    raise Problem(
        f"ROS 2 is not in {prefix}, and its packages are for Ubuntu {UBUNTU}, this machine runs "
        f"{f'Ubuntu {board.ubuntu}' if board.ubuntu else 'another system'}: call this in a container of ros:"
        f"{distribution}{jetson}, or build ROS 2 from source and name its prefix with --ros."
    )


def sourced(prefix: Path) -> dict[str, str]:
    """
    Return the variables of a shell that has sourced a ROS 2.

    A virtual environment that is active now is left, and a sourced workspace or ROS 2 is forgotten.

    :raises Problem: if its script fails
    """
    left = os.environ.get("VIRTUAL_ENV")
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "AMENT_PREFIX_PATH", "COLCON_PREFIX_PATH")
    }
    if left:
        variables["PATH"] = os.pathsep.join(
            entry for entry in variables.get("PATH", "").split(os.pathsep) if entry != f"{left}/bin"
        )
    done = subprocess.run(
        ["sh", "-c", '. "$1" && env -0', "sh", prefix / "setup.sh"], env=variables, capture_output=True, text=True
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise Problem(f"{prefix / 'setup.sh'} fails ({said}): install that ROS 2 again.")
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)


def check_programs(variables: Mapping[str, str]) -> None:
    """
    Check the programs that a build needs.

    :param variables: those of a shell that has sourced ROS 2
    :raises Problem: naming the packages of all that are missing
    """
    path = variables.get("PATH", "")
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program, path=path) is None]
    if shutil.which("ros2", path=path) is None:
        missing.append(f"ros-{variables.get('ROS_DISTRO', DISTRIBUTION)}-ros2cli-common-extensions")
    if shutil.which("python3", path=path) is None:
        missing.append("python3")
    elif run(["python3", "-c", "import ensurepip, venv"], variables).returncode != 0:
        missing.append("python3-venv")
    if missing:
        raise Problem(f"the PATH or the system lacks what a build needs: `sudo apt install {' '.join(missing)}`.")
    for program, language, package in (("cc", "c", "gcc"), ("c++", "c++", "g++")):
        check_compiler(program, language, package)


def check_modules(variables: Mapping[str, str]) -> None:
    """
    Check the modules that ROS and the system provide, for the interpreter that ROS is made for.

    :param variables: those of a shell that has sourced ROS 2
    :raises Problem: naming the packages of all that are missing
    """
    done = run(["python3", "-c", _LOOK_FOR_MODULES, *_MODULES], variables)
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise Problem(f"python3 does not run in the environment of ROS 2 ({said}): use the system's own python3.")
    distribution = variables.get("ROS_DISTRO", DISTRIBUTION)
    missing = [_MODULES[name].format(distribution=distribution) for name in done.stdout.split() if name in _MODULES]
    if missing:
        raise Problem(
            f"python3 cannot import what the nodes need: `sudo apt install {' '.join(missing)}`; if they are "
            "installed, another python3 comes first on the PATH."
        )


def run(command: Sequence[str | Path], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """
    Run a command, and return what it said.

    :param variables: all its environment variables; its program is looked for on their PATH
    """
    return subprocess.run(command, env=dict(variables), capture_output=True, text=True)


def _answer(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
