# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Files that are there with all their content, or as they were before."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """
    Write a file and move it into its place; its folder is made if it is not there.

    :param write: writes the content to the path that it is given.
    :raises OSError: the file cannot be written; nothing half written is left.
    """
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            partial = Path(stream.name)
        write(partial)
        partial.chmod(0o644)
        partial.replace(path)
    except BaseException:
        if partial is not None:
            partial.unlink(missing_ok=True)
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file as :func:`write_atomically` does, in UTF-8."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
