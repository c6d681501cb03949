# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure whether an edge is faster with requests of one partition point in one batch than one after another.

Prints, for every partition point, the median milliseconds of k back-end runs of batch size 1 and of one run of batch
size k, and their ratio. The two are measured in turns. The batch is faster if the ratio is below 1.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from neurosurgeon_ros.models import load_model
from neurosurgeon_ros.partition import partition


def seconds(step: Callable[[], object]) -> float:
    """Return how many seconds one call takes."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="yolov3_tiny", help="a registered network (default: yolov3_tiny)")
    parser.add_argument("--batch", type=int, default=2, help="requests in one batch, 2 or more (default: 2)")
    parser.add_argument("--repeats", type=int, default=15, help="measurements of each (default: 15)")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0: torch's own choice (default)")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    model = load_model(arguments.network, random_weights=True)
    x = model.example_input
    many = torch.cat([x] * arguments.batch)
    single, batched = partition(model.network, x), partition(model.network, many)
    last = len(single.points) - 1
    fronts, fronts_many = single.run_front(x, last, keep=range(last)), batched.run_front(many, last, keep=range(last))
    print(f"| point | {arguments.batch} singles (ms) | one batch (ms) | batch / singles |\n| --- | --: | --: | --: |")
    for p in range(last):
        one, all_of_them = fronts[p], fronts_many[p]
        apart: list[float] = []
        together: list[float] = []
        for turn in range(arguments.repeats + 2):
            alone_s = sum(seconds(lambda p=p, one=one: single.run_back(one, p)) for _ in range(arguments.batch))
            batch_s = seconds(lambda p=p, both=all_of_them: batched.run_back(both, p))
            if turn >= 2:  # the first two turns warm up
                apart.append(alone_s)
                together.append(batch_s)
        a, b = 1e3 * statistics.median(apart), 1e3 * statistics.median(together)
        print(f"| {single.points[p].name} | {a:.1f} | {b:.1f} | {b / a:.2f} |", flush=True)


if __name__ == "__main__":
    main()
