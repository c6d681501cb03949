# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The virtual environment with the pinned packages, and the correction of paths in their wheels."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import distributions, sharing, stamps
from .layout import Layout
from .report import Problem, Reporter, run_logged

REQUIREMENTS = ("runtime.txt", "development.txt", "docs.txt", "video.txt")
OF_DISTRIBUTION = "ros.txt"
CONSTRAINTS = "constraints.txt"

# Paths on the machine that built the wheels, as found in their CMake files.
_PYTHON_INCLUDE = re.compile(r"/opt/python/cp\d+-cp\d+/include/python3\.\d+")
_NUMPY_INCLUDE = re.compile(r"/opt/python/cp\d+-cp\d+/lib/python3\.\d+/site-packages/numpy/_?core/include")

_NETWORK = re.compile(
    r"ConnectionError|NewConnectionError|Temporary failure in name resolution|timed out|ReadTimeout|SSLError|ProxyError"
    r"|Connection (refused|reset|broken)|IncompleteRead|No address associated|\(from versions: none\)"
)


def fingerprint(layout: Layout) -> str:
    """Return the stamp of a complete virtual environment. It includes the path, because venvs cannot be moved."""
    return stamps.fingerprint([str(layout.venv)], (*requirements(layout), *constraints(layout)))


def requirements(layout: Layout) -> list[Path]:
    """Return the files that name what is installed."""
    return [*(layout.requirements / name for name in REQUIREMENTS), _of_distribution(layout) / OF_DISTRIBUTION]


def constraints(layout: Layout) -> list[Path]:
    """Return the files with the versions of what the requirements bring along."""
    return [layout.requirements / CONSTRAINTS, _of_distribution(layout) / CONSTRAINTS]


def complete(layout: Layout) -> bool:
    """Return whether the virtual environment is complete, has exactly these packages, and has its interpreter."""
    return layout.python.exists() and stamps.read(layout.venv) == fingerprint(layout)


def install(layout: Layout, reporter: Reporter) -> None:
    """
    Make the virtual environment and install the packages, or complete an existing one.

    An environment from an interrupted set-up is made from scratch. One that was made in another way is completed.

    :raises Problem: if a package cannot be installed
    """
    before = stamps.read(layout.venv)
    usable = layout.venv.exists() and before != stamps.INCOMPLETE and _runs(layout.python)
    if not usable:
        _remove(layout.venv, reporter)
    stamps.write(layout.venv, stamps.INCOMPLETE)
    if not usable:
        reporter.step(f"making the virtual environment with CPython {sys.version.split()[0]}")
        _make(layout, reporter, "-m", "venv", "--without-pip", str(layout.venv), python=base_interpreter())
        share(layout, reporter)
        if not (layout.venv / "bin" / "pip").exists():
            _make(layout, reporter, "-m", "ensurepip", "--upgrade", "--default-pip", python=layout.python)
    reporter.step("installing the packages (about 1.5 GB)")
    _pip_install(layout, reporter, before if usable else None)
    mended = mend_include_paths(layout.venv / "share", python_include(layout.python), numpy_include(layout.python))
    if mended:
        reporter.step(f"mended include paths in {mended} CMake files of the wheels")
    stamps.write(layout.venv, fingerprint(layout))


def mend_include_paths(share: Path, python: str, numpy: str) -> int:
    """
    Replace the include folders in the wheels' CMake exports by those of this machine. Repeating this is harmless.

    CMake rejects an imported target with an include folder that does not exist.

    :param share: the folder with the exports
    :param python: the folder with Python.h
    :param numpy: NumPy's include folder
    :returns: number of files that were changed
    """
    changed = 0
    for path in sorted(share.rglob("*.cmake")):
        text = path.read_text()
        new = _PYTHON_INCLUDE.sub(lambda _: python, _NUMPY_INCLUDE.sub(lambda _: numpy, text))
        if new != text:
            # The file is replaced, not rewritten: pip may have made it a hard link into a cache.
            stamps.write_atomically(path, new)
            changed += 1
    return changed


def python_include(python: Path) -> str:
    """Return the folder that contains the interpreter's Python.h."""
    return _answer(python, "import sysconfig; print(sysconfig.get_paths()['include'])")


def numpy_include(python: Path) -> str:
    """Return the include folder of the interpreter's NumPy."""
    return _answer(python, "import numpy; print(numpy.get_include())")


def base_interpreter() -> Path:
    """
    Return the interpreter to make a virtual environment with: the base interpreter of the running one.

    Symbolic links are resolved, because those in an environment that is being replaced no longer exist then.
    """
    return Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()


def pip_environment() -> dict[str, str]:
    """Return the variables that pip runs with: the caller's, including pip's own settings."""
    hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    return variables | {"PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def pip_problem(log: Path, what: str) -> Problem:
    """
    Return a Problem that says why pip failed.

    :param log: pip's output
    :param what: what pip should have installed or downloaded
    """
    text = log.read_text(errors="replace")
    errors = re.findall(r"^ERROR: (.*)$", text, re.MULTILINE)
    if "No space left on device" in text:
        return Problem(
            f"the disk is full, so pip could not get {what}: free some space, or "
            f"give pip an index or folder with the far smaller CPU-only build of torch (the log is {log})."
        )
    if "DO NOT MATCH THE HASHES" in text:
        return Problem(
            f"pip was given an archive for {what} whose sha256 is not the pinned one: "
            f"use an index that carries the published files (the log is {log})."
        )
    if _NETWORK.search(text):
        return Problem(
            f"pip could not get {what} from its package index: check the network, or point pip at an index or folder "
            f"that can be reached with its own settings such as PIP_INDEX_URL or PIP_FIND_LINKS (the log is {log})."
        )
    said = errors[-1].rstrip(".") if errors else "it gave no reason"
    return Problem(f"pip could not get {what} ({said}): check its settings with `pip config list` (the log is {log}).")


def _make(layout: Layout, reporter: Reporter, *arguments: str, python: Path) -> None:
    """Run a step of making the virtual environment."""
    log = layout.state / "log" / f"{arguments[1]}.log"
    status = run_logged(
        [python, *arguments],
        log=log,
        reporter=reporter,
        detail=lambda line: line,
        cwd=layout.root,
        environment=pip_environment(),
    )
    if status != 0:
        reporter.tail(log)
        raise Problem(f"{python} could not make a virtual environment in {layout.venv}: see {log}.")


def share(layout: Layout, reporter: Reporter) -> None:
    """Take packages of equal versions, and pip, from another distribution's environment, if one is complete."""
    wanted = sharing.pins((*requirements(layout), *constraints(layout)))
    for other in distributions.others(layout):
        if complete(other) and sharing.same_interpreter(layout.venv, other.venv):
            number = sharing.link(layout, other, wanted)
            reporter.step(f"packages taken from the environment of {other.distribution}: {number}")


def _of_distribution(layout: Layout) -> Path:
    return layout.requirements / layout.distribution


def _pip_install(layout: Layout, reporter: Reporter, before: str | None) -> None:
    log = layout.state / "log" / "pip.log"
    command: list[str | Path] = [layout.python, "-m", "pip", "install", "--progress-bar", "off"]
    for path in constraints(layout):
        command += ["--constraint", path]
    for path in requirements(layout):
        command += ["--requirement", path]
    progress = _PipProgress()
    status = run_logged(
        command,
        log=log,
        reporter=reporter,
        detail=progress.detail,
        cwd=layout.root,
        environment=pip_environment(),
    )
    if status != 0:
        if before is not None and not progress.installing:
            stamps.write(layout.venv, before)
        reporter.tail(log)
        raise pip_problem(log, "the packages")


class _PipProgress:
    """Turns pip's output into progress: the number of packages found so far, and the current action."""

    def __init__(self) -> None:
        self.installing = False
        self._found: set[str] = set()

    def detail(self, line: str) -> str | None:
        words = line.split()
        if line.startswith("Collecting "):
            self._found.add(words[1])
        elif line.startswith("Installing collected packages"):
            self.installing = True
            return f"writing {line.count(',') + 1} packages"
        if line.lstrip().startswith(("Collecting", "Downloading", "Building", "Preparing", "Processing")):
            verb, what = words[0].lower(), words[1].rsplit("/", 1)[-1] if len(words) > 1 else ""
            size = " ".join(words[2:4]) if words[0] == "Downloading" else ""
            return f"{len(self._found)} packages so far: {verb} {what} {size}".rstrip()
        return None


def _runs(python: Path) -> bool:
    """Return whether an interpreter runs and has a suitable version."""
    try:
        done = subprocess.run(
            [python, "-E", "-S", "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.split() in (["3", "11"], ["3", "12"])


def _remove(folder: Path, reporter: Reporter) -> None:
    if folder.exists():
        reporter.step(f"removing {folder.name}, which is incomplete")
        # The stamp stays, so that the folder still counts as incomplete if this is interrupted.
        stamps.write(folder, stamps.INCOMPLETE)
        for entry in folder.iterdir():
            if entry.name != stamps.NAME:
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def _answer(python: Path, code: str) -> str:
    done = subprocess.run(
        [python, "-c", code],
        capture_output=True,
        text=True,
        env=pip_environment() | {"_ROS_WHEELS_BOOTSTRAP_COMPLETE": "1"},
    )
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1]
        raise Problem(f"{python} does not work ({said}): delete {python.parents[1]} and try again.")
    return done.stdout.strip()
