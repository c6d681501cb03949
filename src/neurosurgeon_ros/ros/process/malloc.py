# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Freed memory: kept for the next frame, and given back to the machine when a network is freed."""

from __future__ import annotations

import ctypes
import gc

#: Parameters of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

#: Blocks below this come from the heap, and so much of the heap stays when it is free; bytes.
LARGE_BLOCK, KEPT = 32 << 20, 128 << 20


def keep_memory() -> bool:
    """
    Keep what is freed for what is allocated next; call before the first thread.

    glibc hands large blocks back at once, and the kernel clears every page of the next ones: for a message of 4 MB,
    copied several times on its way, that takes more than half of the time.

    :returns: whether the C library was told; others are left to themselves.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(M_MMAP_THRESHOLD, LARGE_BLOCK) and tell(M_TRIM_THRESHOLD, KEPT))


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
