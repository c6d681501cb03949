# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Output files of a demo run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from neurosurgeon_ros.cli.arguments import UsageError
from neurosurgeon_ros.cli.demo.display import print_lines
from neurosurgeon_ros.cli.demo.matching import FrameMatcher
from neurosurgeon_ros.cli.demo.options import DemoOptions
from neurosurgeon_ros.cli.demo.summary import Setting, in_words, summarise, write_decisions, write_summary
from neurosurgeon_ros.diagnostics.records import SeenDecision

RESULTS = ("summary.json", "decisions.csv", "timeline.png", "annotated.mp4")


def make_folders(out: Path) -> Path:
    """Make the folders for results and logs, remove an earlier run's files there, and return the folder for logs."""
    logs = out / "log"
    try:
        logs.mkdir(parents=True, exist_ok=True)
        for path in (*(out / name for name in RESULTS), *logs.glob("*_node.log")):
            path.unlink(missing_ok=True)
    except OSError as problem:
        raise UsageError(f"--out: {problem.filename or out} cannot be written ({problem.strerror})") from None
    return logs


def write_results(
    options: DemoOptions,
    decisions: Sequence[SeenDecision],
    matcher: FrameMatcher,
    objects: Counter[str],
    *,
    rmw: str,
    partition_points: int | None,
) -> None:
    """
    Write summary, decisions and timeline, and print the results of the run.

    :param objects: how often each class was detected.
    :param rmw: name of the middleware.
    :param partition_points: number of the network's partition points; None if the robot did not report it.
    """
    out = options.out
    setting = Setting(
        rmw=rmw,
        policy=options.policy,
        model=options.model,
        link=options.link,
        robot_speed=options.robot_speed,
        partition_points=partition_points,
        frames_wanted=options.frames,
        seed=options.seed,
        random_weights=options.random_weights,
    )
    summary = summarise(setting, decisions, published=matcher.published, matched=matcher.matched, objects=objects)
    write_summary(summary, out / "summary.json")
    write_decisions(decisions, out / "decisions.csv")
    if decisions:
        from neurosurgeon_ros.cli.demo.timeline import draw_timeline

        robot = f", robot emulated at {options.robot_speed:g} of one core's speed" if options.robot_speed < 1.0 else ""
        draw_timeline(decisions, f"{options.model}, {options.policy}, {options.link}{robot}", out / "timeline.png")
        print_lines("Summary", in_words(summary))
    written = [name for name in RESULTS if (out / name).exists()]
    print(f"written to {out}: {', '.join(written)}")
