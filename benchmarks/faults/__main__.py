# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.faults`: inject faults, and write out/faults/summary.json and docs/reliability.md."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.faults.fault import GROUPS, Fault
from benchmarks.faults.report import to_markdown
from benchmarks.faults.run import FAULTS, Result, run_faults, to_summary

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def main() -> int:
    """Run the requested faults, and return 1 if a promise was not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only faults whose names contain one of these texts")
    parser.add_argument("--group", choices=GROUPS, help="only faults of this group")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random choices (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/faults"), help="folder for the results (%(default)s)")
    parser.add_argument("--write-docs", action="store_true", help="write docs/reliability.md; keep its other groups")
    options = parser.parse_args()
    faults = [
        fault
        for fault in FAULTS
        if (not options.only or any(text in fault.name for text in options.only))
        and (not options.group or fault.group == options.group)
    ]
    if not faults:
        parser.error("no fault has such a name: choose among " + ", ".join(fault.name for fault in FAULTS))
    options.out.mkdir(parents=True, exist_ok=True)
    logs = options.out / "log"
    shutil.rmtree(logs, ignore_errors=True)
    # When this process is terminated, it must also end the nodes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # A run of all faults keeps nothing of the page before it.
    before = PAGE.read_text() if options.only or options.group else ""
    broken: list[str] = []
    results: list[Result] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("faults", total=len(faults))

        def on_result(fault: Fault, result: Result) -> None:
            results.append(result)
            # Written after each fault, so that an interrupted run keeps its results.
            (options.out / "summary.json").write_text(json.dumps(to_summary(results), indent=1) + "\n")
            if options.write_docs:
                PAGE.write_text(to_markdown({one.name: one for one in FAULTS}, results, before=before))
            failures = result.failures(fault)
            broken.extend(f"{fault.name}: {failure}" for failure in failures)
            progress.console.print(
                f"{fault.name}: {result.accepted} accepted, {result.published} published, "
                f"p99 {result.p99_delay_ms:.0f}, worst {result.worst_delay_ms:.0f} ms, "
                f"back after {result.recovered_s} s; "
                + (f"{result.streams}; " if result.streams else "")
                + f"{', '.join(failures) or 'all kept'}"
            )
            progress.advance(task)

        def on_skip(fault: Fault, reason: str) -> None:
            progress.console.print(f"{fault.name}: skipped, {reason}")
            progress.advance(task)

        run_faults(faults, logs=logs, seed=options.seed, on_result=on_result, on_skip=on_skip)
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
