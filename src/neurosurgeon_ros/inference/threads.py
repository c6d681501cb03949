# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""How many threads the libraries may compute with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import cv2
import torch


def use_threads(threads: int) -> None:
    """
    Let torch in the calling thread, and OpenCV in this process, compute with so many threads.

    :param threads: 0 leaves both as they are.
    """
    if threads:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """
    Let torch compute with so many threads meanwhile.

    :param threads: 0 leaves the calling thread's number.
    """
    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
