# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Checks of the machine before anything is installed."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .report import Problem

GIGABYTE = 1_000_000_000
FRESH_BYTES = 3 * GIGABYTE
REBUILD_BYTES = GIGABYTE // 5


def check(root: Path, *, fresh: bool) -> None:
    """
    Check the platform, the compilers, make, git and the disk.

    :param root: top folder of the checkout
    :param fresh: whether all packages still have to be installed, which needs more disk space
    :raises Problem: naming the first thing that is missing
    """
    check_platform(sys.platform, platform.machine())
    for program, language, package in (("cc", "c", "gcc"), ("c++", "c++", "g++")):
        check_compiler(program, language, package)
    for program in ("make", "git"):
        if shutil.which(program) is None:
            raise Problem(f"{program} is not on the PATH: install it, for example with `sudo apt install {program}`.")
    check_disk(root, FRESH_BYTES if fresh else REBUILD_BYTES)


def check_platform(system: str, machine: str) -> None:
    """
    Check that the wheels exist for this platform.

    :param system: value of sys.platform
    :param machine: value of platform.machine()
    :raises Problem: if they do not exist
    """
    if (system, machine) != ("linux", "x86_64"):
        raise Problem(
            f"this machine is {system} on {machine}, and ROS 2 comes as wheels for linux on x86_64 only: "
            "install ROS 2 Jazzy and build this package with colcon, as the README describes."
        )


def check_compiler(program: str, language: str, package: str) -> None:
    """
    Check that a compiler compiles and links a program of the standard library.

    :param program: name of the compiler, to be found on the PATH
    :param language: c or c++, as for the compiler's option -x
    :param package: Debian package that contains it
    :raises Problem: if it is missing or does not work
    """
    mend = f"install one, for example with `sudo apt install {package}`."
    if shutil.which(program) is None:
        raise Problem(f"no {language.upper()} compiler ({program}) is on the PATH: {mend}")
    header = {"c": "stdio.h", "c++": "vector"}[language]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [program, "-x", language, "-", "-o", str(Path(folder) / "probe")],
            input=f"#include <{header}>\nint main(void) {{ return 0; }}\n",
            text=True,
            capture_output=True,
        )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["it gave no reason"])[0]
        raise Problem(f"the {language.upper()} compiler ({program}) cannot build a program ({said}): {mend}")


def check_disk(folder: Path, needed: int) -> None:
    """
    Check the free disk space.

    :param folder: a folder on the file system to check
    :param needed: required free space in bytes
    :raises Problem: if there is less
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise Problem(
            f"{folder} has {free / GIGABYTE:.1f} GB of free disk space where set-up needs {needed / GIGABYTE:.1f} GB: "
            "free some, or put the checkout on another disk."
        )
