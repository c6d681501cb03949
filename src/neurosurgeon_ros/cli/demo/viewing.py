# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Requirements of the `--view` page, checked before anything is started: its library and its port."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
from collections.abc import Iterator

from neurosurgeon_ros.cli.arguments import UsageError

#: Only reachable from this computer.
ADDRESS = "127.0.0.1"


@contextlib.contextmanager
def reserved(port: int | None) -> Iterator[socket.socket | None]:
    """
    Reserve the page's port.

    :param port: 0: any free port; None: no page.
    :returns: a listening socket; None without a page.
    :raises UsageError: if Bokeh is not installed, or the port is not available.
    """
    if port is None:
        yield None
        return
    if importlib.util.find_spec("bokeh") is None:
        raise UsageError("--view needs Bokeh, which is not installed: `pip install bokeh`, or leave --view out")
    try:
        listening = socket.create_server((ADDRESS, port))
    except OSError as problem:
        why = os.strerror(problem.errno) if problem.errno else str(problem)
        raise UsageError(
            f"--view-port: port {port} of this computer cannot be had ({why}): give another, or 0 for any that is free"
        ) from None
    with listening:
        listening.setblocking(False)
        yield listening
