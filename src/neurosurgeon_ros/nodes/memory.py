# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Memory that a node has let go of goes back to the machine, and not only to the interpreter."""

from __future__ import annotations

import ctypes
import gc


def give_back_memory() -> None:
    """
    Collect what refers to itself in a circle, and hand freed memory back to the operating system.

    A cut network's graph is full of circles, and glibc keeps what was freed unless it is asked; see malloc_trim(3).
    Where the C library has no such call, it is left to itself.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
