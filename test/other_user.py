# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of another user, as in a container beside the host."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurosurgeon_ros.models.files import cache_folder
from neurosurgeon_ros.ros.process.stale_memory import SHARED_MEMORY

#: User and group id of nobody.
NOBODY = 65534

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can start programs of another user, with setpriv of util-linux",
)


@contextlib.contextmanager
def nobody() -> Iterator[tuple[str, ...]]:
    """
    Yield what to begin a command line with, so that the program runs as the user nobody.

    It may read what root may, since checkout and interpreter may lie in root's home; it may write its own files alone,
    and so cannot open root's shared memory.
    """
    home = Path(tempfile.mkdtemp())
    os.chown(home, NOBODY, NOBODY)
    capabilities = "+dac_read_search"
    try:
        yield (
            *("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
            *(f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}"),
            *("env", f"HOME={home}", f"NEUROSURGEON_CACHE={cache_folder()}", f"TMPDIR={home}", f"ROS_LOG_DIR={home}"),
        )
    finally:
        shutil.rmtree(home)
        _remove_shared_memory()


def _remove_shared_memory() -> None:
    """Remove what nobody's processes left: nodes remove what is their own user's."""
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            mapped += maps.read_text(errors="replace")
    for path in SHARED_MEMORY.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_uid == NOBODY and str(path).removesuffix("_el").removesuffix("_sl") not in mapped:
                path.unlink()
