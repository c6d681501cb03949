# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs of another user, as when a container and its host have different users."""

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

#: User and group id of the user nobody.
NOBODY = 65534

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="only root can start programs of another user, with setpriv of util-linux",
)


@contextlib.contextmanager
def nobody() -> Iterator[tuple[str, ...]]:
    """
    Yield the beginning of a command line that runs a program as the user nobody.

    The program may read what root may read, because checkout and interpreter may be in root's home. It may write only
    its own files, so it cannot open root's shared memory.
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
    """Remove what nobody's processes have left behind. Nodes remove only their own user's files."""
    mapped = ""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        with contextlib.suppress(OSError):
            mapped += maps.read_text(errors="replace")
    for path in SHARED_MEMORY.iterdir():
        with contextlib.suppress(OSError):
            if path.stat().st_uid == NOBODY and str(path).removesuffix("_el").removesuffix("_sl") not in mapped:
                path.unlink()
