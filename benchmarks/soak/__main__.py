# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.soak [SECONDS]`: a long run; the exit code is 1 if a frame was lost or memory grew."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
from pathlib import Path

from rich.progress import Progress

from benchmarks.soak.run import run_soak


def main() -> int:
    """Run, print the report, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=600.0, help="length of the run (%(default)s)")
    parser.add_argument("--seed", type=int, help="seed of the faults (default: random)")
    parser.add_argument("--out", type=Path, default=Path("out/soak"), help="folder for the results (%(default)s)")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**31) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    logs = options.out / "log"
    shutil.rmtree(logs, ignore_errors=True)
    # When this process is terminated, it must also end the nodes.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Progress() as progress:
        task = progress.add_task("soak", total=options.seconds)

        def on_fault(name: str, passed_s: float) -> None:
            progress.update(task, completed=passed_s, description=name)

        result = run_soak(options.seconds, seed=seed, logs=logs, on_fault=on_fault)
    robots = {
        name: {
            "accepted": tally.accepted,
            "published": tally.published,
            "lost": tally.lost,
            "duplicated": tally.duplicated,
            "out_of_order": tally.out_of_order,
            "late": result.late[name],
        }
        for name, tally in result.tallies.items()
    }
    processes = {
        name: {
            "memory_bytes": [first.memory_bytes, result.last[name].memory_bytes],
            "threads": [first.threads, result.last[name].threads],
        }
        for name, first in result.first.items()
    }
    summary = {"seed": seed, "faults": result.faults, "robots": robots, "processes": processes}
    text = json.dumps(summary, indent=1)
    (options.out / "summary.json").write_text(text + "\n")
    print(text)
    for failure in result.failures:
        print(f"{failure} (again with --seed {seed})", file=sys.stderr)
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())
