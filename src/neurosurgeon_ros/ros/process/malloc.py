# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keep freed memory for the next frame, and return it to the operating system when a network is freed."""

from __future__ import annotations

import ctypes
import gc

#: Parameters of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8

#: Blocks smaller than the first value come from the heap, and up to the second value of free heap is kept; bytes.
LARGE_BLOCK, KEPT = 32 << 20, 128 << 20


def keep_memory() -> bool:
    """
    Keep freed memory for the next allocations; call before the first thread starts.

    By default, glibc returns large blocks at once, and the kernel clears every page of the next block. For a message of
    4 MB that is copied several times on its way, this takes more than half of the time.

    All threads share one heap. By default, each thread may have its own, and what the start of a node has freed is then
    of no use to the thread that processes its frames: a robot takes 60 MB more.

    :returns: whether the C library accepted the settings; other C libraries are not changed.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    settings = ((M_ARENA_MAX, 1), (M_MMAP_THRESHOLD, LARGE_BLOCK), (M_TRIM_THRESHOLD, KEPT))
    return tell is not None and all(bool(tell(*setting)) for setting in settings)


def give_back_memory() -> None:
    """
    Collect reference cycles, and return freed memory to the operating system.

    The graph of a partitioned network has many reference cycles, and glibc keeps freed memory unless it is asked to
    return it; see malloc_trim(3). A C library without this call is not changed.
    """
    gc.collect()
    give_back_freed_memory()


def give_back_freed_memory() -> None:
    """
    Return memory that is free already to the operating system; takes some milliseconds.

    A start needs far more memory than the frames after it: a robot frees 150 MB.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
