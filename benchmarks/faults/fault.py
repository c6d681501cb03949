# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a fault is, and the groups of faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.faults.stage import Stage

#: Does a fault to a running stage and takes it back; returns how often it was done.
Inject = Callable[[Stage], int]

#: Puts a load on a stage while it is entered; gives its size.
Load = Callable[[Stage], AbstractContextManager[int]]

GROUPS = ("edge process", "link", "camera", "messages", "robot process", "clock", "load")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A fault and what is promised under it.

    :param ends: False where it goes on for good, so that the edge does not come back.
    :param stage: kind of stage that it needs: plain, sim_time or wall_clock.
    :param load: under which the on-device delay is to be taken, where the fault is a load; None: none.
    """

    name: str
    group: str
    promise: str
    inject: Inject
    ends: bool = True
    stage: str = "plain"
    load: Load | None = None


def pass_time(seconds: float) -> None:
    """Let a fault last: its length is what is tested, there is no event to wait for."""
    time.sleep(seconds)
