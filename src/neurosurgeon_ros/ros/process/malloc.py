# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Keep freed memory for the next frame, and return it to the operating system when a network is freed."""

from __future__ import annotations

import ctypes
import gc

#: Parameters of mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

#: Blocks smaller than the first value come from the heap, and up to the second value of free heap is kept; bytes.
LARGE_BLOCK, KEPT = 32 << 20, 128 << 20


def keep_memory() -> bool:
    """
    Keep freed memory for the next allocations; call before the first thread starts.

    By default, glibc returns large blocks at once, and the kernel clears every page of the next block. For a message of
    4 MB that is copied several times on its way, this takes more than half of the time.

    :returns: whether the C library accepted the settings; other C libraries are not changed.
    """
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    return tell is not None and bool(tell(M_MMAP_THRESHOLD, LARGE_BLOCK) and tell(M_TRIM_THRESHOLD, KEPT))


def give_back_memory() -> None:
    """
    Collect reference cycles, and return freed memory to the operating system.

    The graph of a partitioned network has many reference cycles, and glibc keeps freed memory unless it is asked to
    return it; see malloc_trim(3). A C library without this call is not changed.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
