# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What set-up knows to be done.

A stamp lies in the folder that it speaks of, so that whoever deletes the folder deletes the stamp. It is set to
`INCOMPLETE` before a step changes anything and to the step's fingerprint when all of it is done; a folder that an
interrupted step left behind is never trusted.
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
    """Return the stamp of a folder: a fingerprint, `INCOMPLETE`, or None when it has none."""
    try:
        return (folder / NAME).read_text().strip()
    except FileNotFoundError:
        return None


def write(folder: Path, value: str) -> None:
    """Set the stamp of a folder at once or not at all, making the folder if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / NAME, value + "\n")


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees a part of it."""
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

    :param texts: in an order that matters
    :param contents: files; their order does not matter
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
    Hold a lock file for the time of a with statement; it is free when its holder ends, however it ends.

    Programs that the holder starts hold it with him, so that what a killed holder leaves behind is waited for.

    :param path: made if needed
    :param on_wait: called once when somebody else holds it
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
