# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The record of completed steps.

A stamp is a file in the folder that it describes, so deleting the folder also deletes the stamp. Its value is set to
`INCOMPLETE` before a step changes anything, and to the step's fingerprint when the step is complete. A folder from an
interrupted step is therefore never trusted.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

INCOMPLETE = "incomplete"
NAME = "neurosurgeon-setup.stamp"


def read(folder: Path) -> str | None:
    """Return the stamp of a folder: a fingerprint, `INCOMPLETE`, or None if it has none."""
    try:
        return (folder / NAME).read_text().strip()
    except FileNotFoundError:
        return None


def write(folder: Path, value: str) -> None:
    """Set the stamp of a folder atomically. The folder is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / NAME, value + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that no other process ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def fingerprint(texts: Iterable[str] = (), contents: Iterable[Path] = ()) -> str:
    """
    Return a sha256 over texts, and over the names and contents of files.

    :param texts: texts, whose order matters
    :param contents: files, whose order does not matter
    """
    digest = hashlib.sha256()
    parts = [text.encode() for text in texts]
    for path in sorted(contents):
        parts += [str(path).encode(), path.read_bytes()]
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """
    Hold a lock file in a with statement. It is released when its holder ends, in whatever way.

    Programs that the holder starts also hold the lock, so a set-up waits for what a killed one left running.

    :param path: the lock file, made if needed
    :param on_wait: called once if another process holds the lock
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        os.set_inheritable(stream.fileno(), True)
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
