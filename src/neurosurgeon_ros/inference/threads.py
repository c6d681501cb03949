# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Number of threads that the libraries compute with."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import cv2
import torch


def use_threads(threads: int) -> None:
    """
    Set the number of threads of torch in the calling thread, and of OpenCV in this process.

    :param threads: number of threads; 0 leaves both unchanged.
    """
    if threads:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


def use_one_thread() -> None:
    """
    Let torch compute with one thread in the calling thread, and in no other.

    Torch also takes the number for threads that have not used it yet. So another thread sets it back.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    restoring = threading.Thread(target=torch.set_num_threads, args=(before,), daemon=True)
    restoring.start()
    restoring.join()


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """
    Set torch's number of threads within the context.

    :param threads: number of threads; 0 keeps the calling thread's number.
    """
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
