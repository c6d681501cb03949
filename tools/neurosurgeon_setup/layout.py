# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The folders of a checkout, and the environment of its commands."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: The distribution of ROS 2 that a checkout has unless another one is asked for.
DEFAULT = "jazzy"

#: Folder of the pinned requirements in a checkout. Each distribution has a folder in it.
REQUIREMENTS = Path("tools", "requirements")

# Folder of the other distributions in a checkout.
_OTHERS = ".distributions"

# Variables of the calling shell or of an outer make that must not affect commands in the checkout's environment.
FOREIGN = (
    "AMENT_CURRENT_PREFIX",
    "COLCON_DEFAULTS_FILE",
    "COLCON_PREFIX_PATH",
    "CONDA_PREFIX",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "PYTHONHOME",
    "ROS_ETC_DIR",
    "ROS_PYTHON_VERSION",
    "ROS_VERSION",
    "__PYVENV_LAUNCHER__",
)

# Stores in _kept the caller's PYTHONPATH without the folders of a sourced ROS 2, with a colon before each entry. Those
# folders are below a sourced prefix, or in a workspace's build folder, to which `colcon build --symlink-install` links.
# The script does not rely on word splitting, so that every shell runs it alike.
_KEEP_CALLERS_MODULES = """\
_kept= _prefixes=/opt/ros:${AMENT_PREFIX_PATH:-}: _rest=${COLCON_PREFIX_PATH:-}:
while [ -n "$_rest" ]
do
    _entry=${_rest%%:*} _rest=${_rest#*:} _entry=${_entry%/}
    _prefixes=$_prefixes$_entry:${_entry:+${_entry%/*}/build:}
done
_rest=${PYTHONPATH:-}:
while [ -n "$_rest" ]
do
    _entry=${_rest%%:*} _rest=${_rest#*:} _others=$_prefixes
    while [ -n "$_entry" ] && [ -n "$_others" ]
    do
        _prefix=${_others%%:*} _others=${_others#*:} _prefix=${_prefix%/}
        [ -n "$_prefix" ] || continue
        case $_entry/ in
            "$_prefix"/*) _entry= ;;
        esac
    done
    _kept=$_kept${_entry:+:$_entry}
done
unset _prefixes _prefix _others _entry _rest"""


@dataclass(frozen=True)
class Layout:
    """
    The folders of a checkout, for one distribution of ROS 2.

    :param root: its top folder, as an absolute path
    :param distribution: name of the distribution
    """

    root: Path
    distribution: str = DEFAULT

    @property
    def place(self) -> Path:
        """Return the folder of all that is made for this distribution. The default one's is the top folder."""
        return self.root if self.distribution == DEFAULT else self.root / _OTHERS / self.distribution

    @property
    def venv(self) -> Path:
        """Return the folder of the virtual environment."""
        return self.place / ".venv"

    @property
    def python(self) -> Path:
        """Return the virtual environment's interpreter."""
        return self.venv / "bin" / "python"

    @property
    def build(self) -> Path:
        """Return the folder in which colcon builds."""
        return self.place / "build"

    @property
    def install(self) -> Path:
        """Return the folder into which colcon installs, with all packages merged into one prefix."""
        return self.place / "install"

    @property
    def log(self) -> Path:
        """Return the folder of colcon's logs."""
        return self.place / "log"

    @property
    def state(self) -> Path:
        """Return the folder for set-up's own state: stamps, logs, lock."""
        return self.place / ".setup"

    @property
    def requirements(self) -> Path:
        """Return the folder of the pinned requirements."""
        return self.root / REQUIREMENTS

    @property
    def environment_script(self) -> Path:
        """Return the shell script that sets :func:`environment`."""
        return self.state / "environment.sh"


def site_packages(prefix: Path) -> Path:
    """Return the folder for Python modules below a prefix."""
    found = sorted(prefix.glob("lib/python3.*/site-packages"))
    return found[-1] if found else prefix / "lib" / "python3" / "site-packages"


def environment(layout: Layout) -> dict[str, str]:
    """
    Return the variables that this checkout's commands need in addition to the caller's.

    A ROS 2 installation that the caller has sourced is left out on purpose: its modules and these do not work together.

    :returns: variables to set; PATH and LD_LIBRARY_PATH hold only the folders to put in front, and PYTHONPATH holds
        only the checkout's folders
    """
    libraries = sorted(site_packages(layout.venv).glob("ros_*.libs"))
    return {
        "VIRTUAL_ENV": str(layout.venv),
        "PATH": _joined(layout.venv / "bin", layout.install / "lib" / "neurosurgeon_ros"),
        "LD_LIBRARY_PATH": _joined(layout.install / "lib", layout.venv / "lib", *libraries),
        "AMENT_PREFIX_PATH": _joined(layout.install, layout.venv),
        "CMAKE_PREFIX_PATH": _joined(layout.install, layout.venv),
        "PYTHONPATH": str(layout.install / site_packages(layout.venv).relative_to(layout.venv)),
        "PYTHONNOUSERSITE": "1",
        "DISTRO": layout.distribution,
        "ROS_DISTRO": layout.distribution,
        "COLCON_HOME": str(layout.state / "colcon"),
        "RMW_IMPLEMENTATION": "rmw_fastrtps_cpp",
        # Without this variable, the wheels start each interpreter twice in order to set LD_LIBRARY_PATH.
        "_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1",
    }


def complete_environment(layout: Layout, caller: Mapping[str, str]) -> dict[str, str]:
    """
    Return all variables that set-up builds with: the caller's, overridden by :func:`environment`.

    The caller's PYTHONPATH is left out, so that the build does not depend on it.
    """
    variables = {name: value for name, value in caller.items() if name not in FOREIGN}
    for name, value in environment(layout).items():
        in_front = name in ("PATH", "LD_LIBRARY_PATH") and variables.get(name)
        variables[name] = f"{value}:{variables[name]}" if in_front else value
    return variables


def environment_lines(layout: Layout) -> str:
    """
    Return :func:`environment` as a POSIX shell script to source.

    The caller's own modules stay importable: the entries of its PYTHONPATH follow the checkout's, except those of a
    sourced ROS 2. Sourcing the script twice has the same effect as once.
    """
    lines = [_KEEP_CALLERS_MODULES, f"unset {' '.join(FOREIGN)}"]
    for name, value in environment(layout).items():
        before = f"${{{name}:+:${name}}}" if name in ("PATH", "LD_LIBRARY_PATH") else ""
        if name == "PYTHONPATH":
            # An interpreter searches PYTHONPATH before the installed packages.
            before = f"${{_kept:+:{shlex.quote(str(site_packages(layout.venv)))}$_kept}}"
        lines.append(f"export {name}={shlex.quote(value)}{before}")
    lines.append("unset _kept")
    return "\n".join(lines) + "\n"


def _joined(*folders: Path) -> str:
    return os.pathsep.join(str(folder) for folder in folders)
