# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Connect this process to a Ray cluster, and say in one sentence why that is not possible."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from neurosurgeon_ros.edge.places.place import PlaceError

#: How to install Ray.
INSTALL = "pip install -r tools/requirements/ray.txt"

#: Seconds within which a cluster must answer.
ANSWER_S = 3.0

#: Format of an address of a cluster, as a regular expression and in words.
ADDRESS = (r"[A-Za-z0-9._-]+:[0-9]{1,5}", "HOST:PORT of the cluster's head, such as edge-1:6379")


def require_ray() -> None:
    """Raise :class:`PlaceError` if Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise PlaceError(f"back_end 'ray' was asked for, but Ray is not installed: {INSTALL}")


def connect(address: str) -> None:
    """
    Connect this process to a cluster. Handlers of signals stay as they are.

    :param address: as :data:`ADDRESS`; empty: the cluster that runs on this computer.
    :raises PlaceError: Ray is not installed, or the cluster does not answer.
    """
    require_ray()
    if address:
        _reach(address)
    _use_token()
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # Serve's threads must not start a cluster after the disconnection
    import ray

    for name in ("ray", "ray.serve"):
        logging.getLogger(name).setLevel(logging.ERROR)
    where = address or "this computer"
    with _same_signal_handlers():
        try:
            ray.init(
                address=address or "auto", log_to_driver=False, ignore_reinit_error=True, logging_level=logging.ERROR
            )
        except ConnectionError:
            raise PlaceError(
                f"no Ray cluster at {where} takes this process in, because none runs there or its token is another "
                "one: start one with `neurosurgeon cluster up`, or join it as docs/cluster.md says"
            ) from None
        except Exception as problem:
            raise PlaceError(f"the Ray cluster at {where} cannot be used: {one_line(problem)}") from None


def disconnect() -> None:
    """Disconnect this process from its cluster; what runs there goes on."""
    import ray

    with _same_signal_handlers():
        ray.shutdown()


def one_line(problem: object) -> str:
    """Return what an error says, as one line of at most 300 characters."""
    return re.sub(r"\s+", " ", str(problem)).strip()[:300]


def _reach(address: str) -> None:
    match = re.fullmatch(ADDRESS[0], address)
    if match is None:
        raise PlaceError(f"ray_address {address!r} is no address; give {ADDRESS[1]}")
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except (OSError, OverflowError) as problem:
        raise PlaceError(
            f"nobody answers at ray_address {address} ({problem}): start the cluster with `neurosurgeon cluster up`, "
            "or correct the address"
        ) from None


def _use_token() -> None:
    """Show the cluster this computer's token, if there is one, as `ray start` does. Ray's import reads the mode."""
    is_there = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ
    if is_there or (Path.home() / ".ray" / "auth_token").is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


@contextlib.contextmanager
def _same_signal_handlers() -> Iterator[None]:
    """Undo what Ray does to the handlers of signals, which are the node's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
