# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The number of threads that torch computes with."""

from __future__ import annotations

import threading

import torch

from neurosurgeon_ros.inference.threads import torch_threads, use_one_thread


def test_one_thread_for_a_thread_changes_nothing_for_others() -> None:
    seen: dict[str, int] = {}

    def one() -> None:
        use_one_thread()
        seen["one"] = torch.get_num_threads()

    def later() -> None:
        torch.ones(10).sum()
        seen["later"] = torch.get_num_threads()

    with torch_threads(3):
        for step in (one, later):
            thread = threading.Thread(target=step)
            thread.start()
            thread.join()
        seen["own"] = torch.get_num_threads()
    assert seen == {"one": 1, "later": 3, "own": 3}
