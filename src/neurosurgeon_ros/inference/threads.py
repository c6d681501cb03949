# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Number of threads that the libraries compute with."""

from __future__ import annotations

import contextlib
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
