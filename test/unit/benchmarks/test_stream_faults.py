# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The counts of broken streams see what they are for, and the page keeps the groups that were not run."""

from __future__ import annotations

import pytest

from benchmarks.faults.report import to_markdown
from benchmarks.faults.run import FAULTS, Result
from benchmarks.faults.streams.watch import SentFrame, StreamTally, tally_of

NAMED = {fault.name: fault for fault in FAULTS}
LOST, REFUSED, HELD = (None, False), (0, False), (-1, True)


def stream(*frames: tuple[bool, tuple[int | None, bool]]) -> list[SentFrame]:
    """Return a stream's frames from whether each is a key, what the edge holds (-1: the frame) and its detections."""
    return [
        SentFrame((7, number), is_key, number if held == -1 else held, has_detections)
        for number, (is_key, (held, has_detections)) in enumerate(frames, start=1)
    ]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (stream((True, HELD), (False, HELD)), StreamTally(sent=2, keys=1)),
        (stream((True, HELD), (False, LOST), (True, HELD)), StreamTally(3, 2, broken=1, finished=1)),
        (stream((True, HELD), (False, REFUSED), (True, HELD)), StreamTally(3, 2, broken=1, finished=1)),
        (stream((True, HELD), (False, REFUSED), (False, HELD)), StreamTally(3, 1, broken=1, finished=1, astray=1)),
        (stream((True, LOST), (True, REFUSED), (True, HELD)), StreamTally(3, 3, broken=1, finished=2, more=1)),
        # The edge has too little memory for the stream: it answers, and each frame is a key.
        (stream((True, (0, True)), (True, (0, True))), StreamTally(2, 2, broken=1)),
        # Only the feedback is lost, or only the detections.
        (stream((True, (None, True)), (False, (-1, False))), StreamTally(2, 1)),
    ],
)
def test_broken_streams_are_counted(frames: list[SentFrame], expected: StreamTally) -> None:
    assert tally_of([frames]) == expected
    assert bool(expected.failures(breaks=True)) == bool(expected.more or expected.astray)
    assert bool(expected.failures(breaks=False)) == bool(expected.broken)


def result(name: str, *, lost: int = 0) -> Result:
    counts = {"injected": 1, "accepted": 9, "published": 9, "lost": lost, "duplicated": 0, "out_of_order": 0}
    delays = {"p99_delay_ms": 50.0, "worst_delay_ms": 60.0, "deadline_ms": 250.0, "on_device_ms": 50.0}
    tally = StreamTally(9, 1) if NAMED[name].group == "streams" else None
    return Result(name=name, group=NAMED[name].group, **counts, **delays, recovered_s=0.5, streams=tally)  # type: ignore[arg-type]


def test_the_page_keeps_the_groups_that_were_not_run() -> None:
    lost, seen = "one message in 20 lost", "requests of a stream lost"
    first = to_markdown(NAMED, [result(lost, lost=2)])
    page = to_markdown(NAMED, [result(seen)], before=first)
    assert f"injected 2 of {len(FAULTS)} faults; all guarantees held under 1." in page
    assert next(line for line in first.splitlines() if lost in line) in page.splitlines()
    assert f"| {seen} | 9 | 1 | 0 | 0 |" in page
    again = to_markdown(NAMED, [result(lost)], before=page)
    assert "2 lost" not in again and "held under 2." in again
    assert page.count("## Streams") == again.count("## Streams") == 1
