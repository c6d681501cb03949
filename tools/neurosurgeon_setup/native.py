# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Set-up beside a native ROS 2, as on a Jetson or a Raspberry Pi 5, for which there are no wheels of ROS.

It checks the machine, makes a virtual environment that sees the system's packages, installs PyTorch into it, gets the
weights, builds with colcon, and writes the script that gives a shell all of this. It needs no root privileges: where a
package of the system is missing, it says which.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from . import files, stamps
from .layout import Layout
from .machine import check_disk
from .native_machine import Board, Options, check_modules, check_programs, find_ros, look_at_board, run, sourced
from .packages import pip_environment, pip_problem
from .report import Problem, Reporter, run_logged

#: Free disk space for torch, its dependencies and the build, in bytes; with CUDA, several times as much.
FREE_BYTES, CUDA_BYTES = 2_000_000_000, 8_000_000_000

#: Memory, with swap, that one compiler of the message types needs, in bytes.
COMPILER_BYTES = 700_000_000

#: What PyPI has and Ubuntu does not: what may come from an index of its own, and the rest. ROS 2 Jazzy's cv_bridge is
#: compiled for NumPy 1.
TORCH = ("torch>=2.2", "numpy<2")
OTHERS = ("numpy<2", "zstandard", "mcap", "mcap-ros2-support")

_LOOK_AT_TORCH = "import torch; print(torch.__version__, int(torch.cuda.is_available()))"


def set_up(layout: Layout, options: Options, reporter: Reporter) -> None:
    """
    Set up this checkout beside a native ROS 2. What is in place is kept.

    :raises Problem: naming the first thing that is missing, and what to do about it
    """
    board = look_at_board(options.root)
    reporter.step(f"{board.name}: {board.processor}, {board.memory / 1e9:.1f} GB of memory and swap")
    ros = find_ros(options, board)
    reporter.step(f"ROS 2 in {ros}")
    variables = sourced(ros)
    check_programs(variables)
    check_modules(variables)
    check_disk(layout.root, CUDA_BYTES if board.jetson else FREE_BYTES)
    place = Place(layout.root / ".native")
    make_environment(place, options.torch_index, variables, reporter)
    install_torch(place, board, options.torch_index, variables, reporter)
    table = files.load_table(layout.root)
    if not files.complete(table, place.folder):
        files.fetch(table, place.folder, place.python, reporter, isolated=True)
    build(layout, place, board, variables, reporter)
    write_script(place, ros)
    check_nodes(place, reporter)
    reporter.step(f"source {shlex.quote(str(place.script))} in each shell, then `ros2 run neurosurgeon_ros robot_node`")


@dataclass(frozen=True)
class Place:
    """
    The folders that set-up fills.

    :param folder: their parent
    """

    folder: Path

    @property
    def venv(self) -> Path:
        """Return the folder of the virtual environment."""
        return self.folder / "venv"

    @property
    def python(self) -> Path:
        """Return its interpreter."""
        return self.venv / "bin" / "python"

    @property
    def install(self) -> Path:
        """Return the folder into which colcon installs."""
        return self.folder / "install"

    @property
    def script(self) -> Path:
        """Return the script to source."""
        return self.folder / "setup.sh"


def make_environment(place: Place, index: str, variables: Mapping[str, str], reporter: Reporter) -> None:
    """
    Make a virtual environment that sees the packages of ROS and the system, unless there is a complete one.

    :param index: index that torch is to be taken from
    :raises Problem: if venv fails
    """
    if place.python.exists() and stamps.read(place.venv) == _fingerprint(index):
        return
    reporter.step(f"making a virtual environment in {place.venv}")
    shutil.rmtree(place.venv, ignore_errors=True)
    stamps.write(place.venv, stamps.INCOMPLETE)
    for folder in (place.folder, place.venv):
        (folder / "COLCON_IGNORE").touch()
    done = run(["python3", "-m", "venv", "--system-site-packages", place.venv], variables)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it gave no reason"]
        raise Problem(f"python3 -m venv fails ({said[-1]}): `sudo apt install python3-venv`.")


def install_torch(place: Place, board: Board, index: str, variables: Mapping[str, str], reporter: Reporter) -> None:
    """
    Install PyTorch and what else Ubuntu lacks. A torch that the system has, as in NVIDIA's containers, is kept.

    :param index: index to take torch from; empty: pip's own, by default PyPI
    :raises Problem: if pip fails, or torch does not run
    """
    if stamps.read(place.venv) != _fingerprint(index):
        reporter.step(f"installing PyTorch from {index or 'the index of pip'}")
        _pip_install(place, TORCH, index, reporter)
        _pip_install(place, OTHERS, "", reporter)
    done = run([place.python, "-c", _LOOK_AT_TORCH], variables)
    answer = done.stdout.split()
    if done.returncode != 0 or len(answer) != 2:
        stamps.write(place.venv, stamps.INCOMPLETE)
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise Problem(
            f"the installed PyTorch does not run on this machine ({said}): name an index with a build for it with "
            "--torch-index."
        )
    stamps.write(place.venv, _fingerprint(index))
    version, has_gpu = answer[0], answer[1] == "1"
    reporter.step(f"PyTorch {version}, {'with' if has_gpu else 'without'} a GPU")
    if board.jetson and not has_gpu:
        reporter.step("this Jetson's GPU is not used: name the index of NVIDIA for its JetPack with --torch-index")


def _fingerprint(index: str) -> str:
    return stamps.fingerprint([index, *TORCH, *OTHERS])


def _pip_install(place: Place, requirements: tuple[str, ...], index: str, reporter: Reporter) -> None:
    log = place.folder / "log" / "pip.log"
    status = run_logged(
        [
            *(place.python, "-m", "pip", "install", "--progress-bar", "off"),
            *(("--index-url", index) if index else ()),
            *requirements,
        ],
        log=log,
        reporter=reporter,
        detail=lambda line: line.strip(),
        cwd=place.folder,
        environment=pip_environment(),
    )
    if status != 0:
        reporter.tail(log)
        raise pip_problem(log, requirements[0])


def build(layout: Layout, place: Place, board: Board, variables: Mapping[str, str], reporter: Reporter) -> None:
    """
    Build with colcon, with as many compilers at once as memory and processors allow.

    :raises Problem: if the build fails
    """
    workers = max(1, min(os.cpu_count() or 1, board.memory // COMPILER_BYTES))
    reporter.step(f"building with colcon, {workers} {'compiler' if workers == 1 else 'compilers'} at once")
    log = place.folder / "log" / "colcon.log"
    command: list[str | Path] = ["colcon", "--log-base", place.folder / "log", "build", "--paths", "."]
    command += ["--build-base", place.folder / "build", "--install-base", place.install]
    command += ["--merge-install", "--symlink-install", "--executor", "sequential"]
    command += ["--event-handlers", "console_direct+", "status-", "desktop_notification-"]
    command += ["--cmake-args", "-DCMAKE_BUILD_TYPE=Release", "-DBUILD_TESTING=OFF"]
    status = run_logged(
        command,
        log=log,
        reporter=reporter,
        detail=lambda line: line.strip() if re.match(r"\[ *\d+%\]", line) else None,
        cwd=layout.root,
        environment={**variables, "MAKEFLAGS": f"-j{workers}", "CMAKE_BUILD_PARALLEL_LEVEL": str(workers)},
    )
    if status != 0:
        reporter.tail(log)
        text = log.read_text(errors="replace")
        if re.search(r"Killed signal terminated program|cannot allocate memory", text, re.IGNORECASE):
            raise Problem("a compiler was killed for want of memory: add swap, and call this again.")
        raise Problem(f"colcon could not build the package: mend what the end of its output names, in full in {log}.")


def write_script(place: Place, ros: Path) -> None:
    """Write the script that gives a shell ROS 2, this package and the virtual environment."""
    lines = [
        "# Source this in sh, bash or zsh: ROS 2, neurosurgeon_ros, and the virtual environment with PyTorch.",
        f". {shlex.quote(str(ros / 'setup.sh'))}",
        f"COLCON_CURRENT_PREFIX={shlex.quote(str(place.install))}",
        '. "$COLCON_CURRENT_PREFIX/local_setup.sh"',
        "unset COLCON_CURRENT_PREFIX",
        f"export VIRTUAL_ENV={shlex.quote(str(place.venv))}",
        'export PATH="$VIRTUAL_ENV/bin:$PATH"',
    ]
    stamps.write_atomically(place.script, "\n".join(lines) + "\n")


def check_nodes(place: Place, reporter: Reporter) -> None:
    """
    Check in a shell that has sourced the script that ROS 2 and the nodes' modules are found.

    :raises Problem: naming what is missing
    """
    look = (
        f". {shlex.quote(str(place.script))} && ros2 pkg prefix neurosurgeon_ros && python3 -c "
        '\'from neurosurgeon_ros.nodes.start import missing; print(*missing("robot_node"), sep="; ")\''
    )
    done = run(["sh", "-c", look], {name: value for name, value in os.environ.items() if name != "PYTHONPATH"})
    said = done.stdout.strip().splitlines()
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise Problem(
            f"the package is built and does not start ({reason}): remove the folder .native, call this again."
        )
    if len(said) > 1:
        raise Problem(f"the package is built, and the nodes lack something: {said[-1]}.")
    reporter.step("the nodes find everything")
