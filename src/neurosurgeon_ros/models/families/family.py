# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One way to read a network's outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from neurosurgeon_ros.models.families.outputs import Seen
from neurosurgeon_ros.models.model import Postprocess


@dataclass(frozen=True, slots=True)
class Fit:
    """
    A way to read a network's outputs that their shapes allow.

    :param postprocess: reads them.
    :param classes: number of classes; None if the outputs do not tell it.
    :param likely: whether it is preferred to another fit that is as good in all other respects.
    :param note: what a user should know of it, such as outputs that are left out; empty: nothing.
    """

    postprocess: Postprocess
    classes: int | None
    likely: bool = True
    note: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """
    Networks whose outputs are read alike.

    :param name: name by which a user chooses it.
    :param outputs: its outputs, in words.
    :param fits: yields the ways in which it can read a network's outputs, the most likely first.
    :param usual: names of the classes that networks with so many classes usually have.
    """

    name: str
    outputs: str
    fits: Callable[[Seen], Iterator[Fit]]
    usual: Mapping[int, tuple[str, ...]]
