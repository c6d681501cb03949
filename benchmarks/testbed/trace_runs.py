# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs on recorded links: every system on every link; writes links.json, a table, and a record of each run."""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from neurosurgeon_ros.atomic_write import write_text_atomically
from testbed.preparation import JPEG_LOWEST, Preparation, choose, prepare, say
from testbed.run import Seen, run_folder, run_system
from testbed.scenario import recorded
from testbed.systems import JPEG_80, OURS, System
from testbed.trace_check import check_trace, in_words
from testbed.trace_network import TraceNetwork
from testbed.trace_record import robot_arms, write_record
from testbed.trace_report import links_table
from testbed.trace_summary import ROBOT, make_link, make_link_row, make_links_summary
from testbed.traces import Trace

#: Systems that run on recorded links by default. The others can be named.
ON_LINKS = ",".join((OURS, "mu_lin_ucb", JPEG_80, JPEG_LOWEST, ROBOT))


def bench_traces(arguments: argparse.Namespace, traces: Sequence[Trace]) -> int:
    """
    Run the systems on the links, one link after the other; returns the exit code.

    :raises NetworkProblem: if the link cannot be set up.
    :raises RunProblem: if a run cannot continue.
    """
    with TraceNetwork() as network:
        if arguments.check:
            return _check(traces, network)
        prepared = prepare(arguments, network)
        chosen = choose(prepared.everything, arguments.systems or ON_LINKS)
        listed = [system.name for system in prepared.everything if system.listed]
        links, begin_s = [], time.monotonic()
        for trace in traces:
            runs: dict[str, list[Seen]] = defaultdict(list)
            for number in range(arguments.rounds):
                for system in chosen:
                    seen = _run(arguments, prepared, network, system, trace, number)
                    runs[system.name].append(seen)
                    mean_ms = 1e3 * sum(seen.delays_s) / len(seen.delays_s)
                    say(
                        f"{time.monotonic() - begin_s:4.0f} s  {trace.name:>16}  round {number + 1}  "
                        f"{system.name:<18} {mean_ms:7.1f} ms  {seen.answered}/{len(seen.frames)} answered"
                    )
            rows = [make_link_row(system, runs[system.name], prepared.reference.f1) for system in chosen]
            links.append(make_link(trace, rows, listed))
        summary = make_links_summary(links, prepared.everything, prepared.about(arguments))
    out: Path = prepared.setting.out
    text = links_table(summary)
    write_text_atomically(out / "links.json", json.dumps(summary, indent=2) + "\n")
    write_text_atomically(out / "links.md", text)
    print(text)
    print(f"written to {out}: links.json, links.md, and a run.json for each run in links/")
    return 0


def _run(
    arguments: argparse.Namespace,
    prepared: Preparation,
    network: TraceNetwork,
    system: System,
    trace: Trace,
    number: int,
) -> Seen:
    """Run one system on one link, and write the record of the run."""
    scenario, setting = recorded(trace, camera_hz=arguments.camera_hz), prepared.setting
    seen = run_system(system, scenario, setting, number=number, warm_up=arguments.warm_up)
    counts = network.counts()
    folder = run_folder(system, scenario, setting, number)
    table = robot_arms(prepared.engine, setting) if system.is_package else None
    height, width = prepared.images[0].shape[:2]
    write_record(folder, system, scenario, setting, seen, counts, table, height * width)
    return seen


def _check(traces: Sequence[Trace], network: TraceNetwork) -> int:
    """Check the replay of each link with a sender that keeps it busy; returns 1 if one is beyond the tolerance."""
    failed = False
    for trace in traces:
        check, counts = check_trace(trace, network)
        failed |= not check.is_good
        say(in_words(trace, check, counts))
    return int(failed)
