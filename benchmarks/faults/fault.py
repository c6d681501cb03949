# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The description of a fault, and the groups of faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.faults.stage.stage import Stage

#: Injects a fault into a running stage and takes it back; returns how often the fault was injected.
Inject = Callable[[Stage], int]

#: Returns a context in which a load acts on a stage; its value is the size of the load.
Load = Callable[[Stage], AbstractContextManager[int]]

GROUPS = ("edge process", "link", "camera", "messages", "robot process", "clock", "load", "streams")

#: Kinds of stages, in the order in which they are used.
STAGES = ("plain", "streams", "sim_time", "wall_clock")


@dataclass(frozen=True, slots=True)
class Fault:
    """
    A fault and the promise that holds under it.

    :param ends: False if the fault lasts for good, so that the edge does not come back.
    :param stage: kind of stage that the fault needs, one of :data:`STAGES`.
    :param breaks: whether the fault may break streams; False if they go on.
    :param load: load under which the on-device delay is measured, if the fault is a load; None otherwise.
    """

    name: str
    group: str
    promise: str
    inject: Inject
    ends: bool = True
    stage: str = "plain"
    breaks: bool = True
    load: Load | None = None


def pass_time(seconds: float) -> None:
    """Wait while a fault lasts. Its duration is part of the test, so there is no event to wait for."""
    time.sleep(seconds)
