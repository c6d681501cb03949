# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command: measures groups of arms in several processes, and writes the rows, and the page from them."""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import cv2
import torch

from codec_rows.defaults import GROUPS, RATES, family, has_memory, split
from codec_rows.measure import Extent, measure
from codec_rows.page import PAGE, PICTURE, draw, filled
from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.camera.video_source import VideoSource, named_video
from neurosurgeon_ros.codecs import absent_codecs

#: Extent unless options say otherwise.
USUAL = Extent()

#: Extent of `--quick`: enough to see that everything works.
QUICK = Extent(streams=2, frames=16, judged=4)

#: Seconds between two lines of progress.
PROGRESS_S = 10.0


@dataclass(frozen=True, slots=True)
class _Job:
    """Arms that one process measures at once."""

    video: str
    hz: float
    arms: tuple[str, ...]
    extent: Extent


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, or write the page from what was measured; returns the exit code."""
    options = _parse(argv)
    if options.docs:
        return _document(options.json)
    for reason in absent_codecs():
        print(f"bench-codecs: {reason}", file=sys.stderr)
    extent = QUICK if options.quick else Extent(options.streams, options.frames, options.judged)
    try:
        count = _run(_jobs(options, extent), options.processes, options.json)
    except ValueError as problem:
        print(f"bench-codecs: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("bench-codecs: interrupted", file=sys.stderr)
        return 130
    print(f"{count} rows are in {options.json}; `make bench-codecs BENCH=--docs` writes {PAGE.name} from them")
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench-codecs", description=__doc__)
    parser.add_argument("--videos", nargs="+", default=list(RATES), help="names or files (default: %(default)s)")
    parser.add_argument("--hz", type=_rate, nargs="+", help="frames per second (default: those of the page)")
    parser.add_argument("--arms", nargs="+", metavar="POINT/CODEC", help="arms (default: those of the page)")
    parser.add_argument("--streams", type=_count, default=USUAL.streams, help="streams of each arm (%(default)s)")
    parser.add_argument("--frames", type=_count, default=USUAL.frames, help="most frames of a stream (%(default)s)")
    parser.add_argument("--judged", type=_count, default=USUAL.judged, help="most judged frames of each (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="few frames, to see that everything works")
    parser.add_argument("--processes", type=_count, default=os.cpu_count() or 1, help="(default: one for each core)")
    parser.add_argument("--json", type=Path, default=Path("out/bench/codecs.json"), help="(default: %(default)s)")
    parser.add_argument("--docs", action="store_true", help="measure nothing; write docs/codecs.md from the file")
    return parser.parse_args(argv)


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is given where at least 1 is needed")
    return value


def _rate(text: str) -> float:
    value = float(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{value} Hz is given where a positive rate is needed")
    return value


def _jobs(options: argparse.Namespace, extent: Extent) -> list[_Job]:
    """Return what is to be measured. The rate changes nothing for arms without memory, so they have only one."""
    groups = split(options.arms) if options.arms else GROUPS
    rates = {video: options.hz or RATES.get(video) or (_rate_hz(video),) for video in options.videos}
    return [
        _Job(video, hz, group, extent)
        for group in groups
        if group
        for video in options.videos
        for number, hz in enumerate(rates[video])
        if number == 0 or has_memory(group[0])
    ]


def _rate_hz(video: str) -> float:
    with VideoSource(named_video(video)) as source:
        return source.rate_hz


#: In a process that measures: the arms that all processes have measured, in parts.
_done: Synchronized[float] | None = None


def _start(done: Synchronized[float]) -> None:
    global _done
    _done = done
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def _measure(job: _Job) -> list[dict[str, Any]]:
    def progress(share: float) -> None:
        if _done is not None:
            with _done.get_lock():
                _done.value += share * len(job.arms)

    return measure(job.video, [job.hz], job.arms, extent=job.extent, progress=progress)


def _run(jobs: Sequence[_Job], processes: int, path: Path) -> int:
    """Measure all jobs, and show and write each row when it is there; returns the number of rows."""
    context = multiprocessing.get_context("spawn")
    done, total = context.Value("d", 0.0), sum(len(job.arms) for job in jobs)
    rows: list[dict[str, Any]] = []
    begun_s = time.monotonic()
    print(f"{'video':8}{'Hz':>6}  {'arm':36}{'F1':>6}{'low':>6}{'bytes':>8}{'key':>8}{'encode':>7}{'decode':>7} ms")
    with context.Pool(min(processes, len(jobs)), _start, (done,)) as pool:
        results = pool.imap_unordered(_measure, jobs)
        for _ in jobs:
            while True:
                try:
                    found = results.next(PROGRESS_S)
                    break
                except multiprocessing.TimeoutError:
                    share, elapsed_s = done.value / total, time.monotonic() - begun_s
                    print(f"{share:4.0%} after {elapsed_s:.0f} s", file=sys.stderr, flush=True)
            for row in found:
                print(_line(row), flush=True)
            rows += found
            rows.sort(key=lambda row: (row["video"], -row["hz"], family(row), row["bytes"]))
            write_text_atomically(path, json.dumps(rows, indent=1) + "\n")
    return len(rows)


def _line(row: dict[str, Any]) -> str:
    arm = f"{row['point']}/{row['codec']}"
    return (
        f"{row['video']:8}{row['hz']:6.3g}  {arm:36}{row['f1']:6.3f}{row['f1_low']:6.3f}{row['bytes']:8}"
        f"{row['key_bytes']:8}{row['encode_ms']:7.2f}{row['decode_ms']:7.2f}"
    )


def _document(measured: Path) -> int:
    """Write the tables and the picture of the page."""
    try:
        rows = json.loads(measured.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        print(f"bench-codecs: {measured} is missing or no JSON; run `make bench-codecs` first", file=sys.stderr)
        return 2
    write_text_atomically(PAGE, filled(PAGE.read_text(encoding="utf-8"), rows))
    draw(rows, PICTURE)
    print(f"written: {PAGE}, {PICTURE}")
    return 0
