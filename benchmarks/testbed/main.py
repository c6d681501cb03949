# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The testbed's command: runs every system in every scenario, and writes summary.json, a table and a plot."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from testbed.delays import percentiles_ms
from testbed.network import LoopbackNetwork, NamespaceNetwork, NetworkProblem, open_network, remove_leftovers
from testbed.options import parse
from testbed.preparation import choose, prepare, say
from testbed.run import RunProblem, Seen, Setting, run_system
from testbed.scenario import Scenario, changing, constant
from testbed.summary import Row, make_row, make_summary
from testbed.systems import OURS, System, in_flight
from testbed.traces import TraceProblem, read_traces

#: The page that `--docs` writes.
PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"

#: Link, camera and duration of the runs with several frames in flight; the warm-up takes as long again.
IN_FLIGHT_MBPS, IN_FLIGHT_HZ, IN_FLIGHT_S = 16.0, 30.0, 5.0

#: A system that takes this many times as long as the best one runs no further rounds. Machines drift less than that.
REACH = 2.0

#: Prefixes of the systems that run on the changing link.
ON_CHANGING = ("default", "neurosurgeon", "mu_lin_ucb", "jpeg_", "h264_stream", "detector_on_robot")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the testbed; returns the exit code."""
    arguments = parse(argv)
    if arguments.clean:
        print("removed: " + (", ".join(remove_leftovers()) or "nothing"))
        return 0
    if arguments.docs:
        return _document(arguments.out)
    try:
        traces = read_traces(arguments.link_trace, arguments.link_seconds)
    except TraceProblem as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        if traces:
            from testbed.trace_runs import bench_traces

            return bench_traces(arguments, traces)
        with open_network(arguments.link) as network:
            return _bench(arguments, network)
    except (NetworkProblem, RunProblem) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130


def _bench(arguments: argparse.Namespace, network: NamespaceNetwork | LoopbackNetwork) -> int:
    prepared = prepare(arguments, network)
    chosen = choose(prepared.everything, arguments.systems)
    setting = prepared.setting
    runs = _run_all(arguments, setting, chosen)
    flights = [_run_in_flight(int(frames), arguments, setting) for frames in arguments.in_flight.split(",") if frames]
    rows = [
        make_row(system, scenario, rounds, prepared.reference.f1)
        for (scenario, name), rounds in runs.items()
        for system in chosen
        if system.name == name
    ]
    return _write(setting.out, rows, prepared.everything, {**prepared.about(arguments), "in_flight": flights})


def _run_all(
    arguments: argparse.Namespace, setting: Setting, chosen: Sequence[System]
) -> dict[tuple[str, str], list[Seen]]:
    """Run all systems of a scenario in turn, once in each round, so that a drift of the machine affects all of them."""
    seen: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    begin_s = time.monotonic()
    for scenario in _scenarios(arguments):
        is_changing = scenario.name == "changing"
        running = [system for system in chosen if not is_changing or system.name.startswith(ON_CHANGING)]
        for number in range(arguments.changing_rounds if is_changing else arguments.rounds):
            mean_s: dict[str, float] = {}
            for system in running:
                one = run_system(system, scenario, setting, number=number, warm_up=arguments.warm_up)
                seen[scenario.name, system.name].append(one)
                mean_s[system.name] = sum(one.delays_s) / len(one.delays_s)
                say(
                    f"{time.monotonic() - begin_s:4.0f} s  {scenario.name:>8}  round {number + 1}  {system.name:<18} "
                    f"{1e3 * mean_s[system.name]:7.1f} ms  {one.answered}/{len(one.frames)} answered"
                )
            running = in_reach(running, mean_s)
    return seen


def in_reach(running: Sequence[System], mean_s: Mapping[str, float]) -> list[System]:
    """
    Return the systems that run another round.

    :param mean_s: mean delay in the last round, by name of the system.
    :returns: the systems that took less than :data:`REACH` times as long as the best one, and the default policy.
    """
    best_s = min(mean_s.values())
    return [one for one in running if one.name == OURS or mean_s[one.name] < REACH * best_s]


def _run_in_flight(frames: int, arguments: argparse.Namespace, setting: Setting) -> dict[str, Any]:
    """Run the default policy with several frames in flight, and a camera that is faster than the policy."""
    scenario = constant(IN_FLIGHT_MBPS, camera_hz=IN_FLIGHT_HZ, frames=round(IN_FLIGHT_S * IN_FLIGHT_HZ))
    scenario = replace(scenario, name="in_flight")
    seen = run_system(in_flight(frames), scenario, setting, warm_up=round(IN_FLIGHT_S * IN_FLIGHT_HZ))
    answered = [frame["answered_s"] - frame["sent_s"] for frame in seen.frames if "answered_s" in frame]
    made: dict[str, Any] = {
        "max_in_flight": frames,
        "uplink_mbps": IN_FLIGHT_MBPS,
        "camera_hz": IN_FLIGHT_HZ,
        "fps": round(seen.answered / seen.seconds, 2),
        "answer_ms": percentiles_ms(answered),
    }
    say(f"{frames} in flight: {made['fps']} frames a second, answered in {made['answer_ms']['mean']:.0f} ms")
    return made


def _write(out: Path, rows: Sequence[Row], everything: Sequence[System], about: dict[str, Any]) -> int:
    from testbed.plot import draw
    from testbed.report import table

    summary = make_summary(rows, everything, about, _read(out / "micro.json", {}))
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    text = table(summary)
    (out / "bench.md").write_text(text, encoding="utf-8")
    draw(summary, out / "bench.png")
    print(text)
    print(f"written to {out}: summary.json, bench.md, bench.png")
    return 0


def _read(file: Path, otherwise: Any) -> Any:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else otherwise


def _document(out: Path) -> int:
    from testbed.report import page

    try:
        summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        print(f"bench: {out / 'summary.json'} cannot be read ({problem}): run `make bench` first", file=sys.stderr)
        return 1
    summary["micro"] = _read(out / "micro.json", summary["micro"])
    images = PAGE.parent / "images"
    images.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(out / "bench.png", images / "bench.png")
    made = page(
        summary,
        links=_read(out / "links.json", None),
        wire=_read(out / "wire.json", []),
        start_up=_read(out / "start_up.json", {}),
        key_frames=_read(out / "key_frames.json", []),
    )
    PAGE.write_text(made, encoding="utf-8")
    print(f"written: {PAGE}")
    return 0


def _scenarios(arguments: argparse.Namespace) -> list[Scenario]:
    made = []
    for name in arguments.rates.split(","):
        if name == "changing":
            made.append(changing(camera_hz=arguments.camera_hz, turn_s=arguments.turn))
        else:
            made.append(constant(float(name), camera_hz=arguments.camera_hz, frames=arguments.frames))
    return made


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End the run once. A second signal must not interrupt the clean-up."""
    del number, frame
    for either in (signal.SIGINT, signal.SIGTERM):
        signal.signal(either, signal.SIG_IGN)
    raise KeyboardInterrupt
