# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command: every system through every scenario, in rounds; then summary.json, a table and a plot."""

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

from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import find
from testbed import machine
from testbed.accuracy import LEAST_F1, fidelity_with_jpeg, judge
from testbed.camera import read_video
from testbed.delays import percentiles_ms
from testbed.network import NetworkProblem, open_network, remove_leftovers
from testbed.run import RunProblem, Seen, Setting, run_system
from testbed.scenario import WARM_UP_FRAMES, Scenario, changing, constant
from testbed.summary import Row, make_row, make_summary
from testbed.systems import JPEG_80, OURS, System, at_fidelity, in_flight, systems

#: What `--docs` writes.
PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"

#: Frames a second are measured on this link, with this camera, for so many seconds after as many of warming up.
IN_FLIGHT_MBPS, IN_FLIGHT_HZ, IN_FLIGHT_S = 16.0, 30.0, 5.0

#: A system that takes so many times as long as the best runs no further rounds: no drift of a machine is as large.
REACH = 2.0

#: Systems that a changing link is worth the minutes of.
ON_CHANGING = ("default", "neurosurgeon", "mu_lin_ucb", "jpeg_", "detector_on_robot")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the testbed; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.clean:
        print("removed: " + (", ".join(remove_leftovers()) or "nothing"))
        return 0
    if arguments.docs:
        return _document(arguments.out)
    if arguments.quick:
        arguments.rounds, arguments.frames, arguments.turn = 1, 24, 3.0
        arguments.rates, arguments.in_flight = "16", ""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with open_network(arguments.link) as network:
            return _bench(arguments, network)
    except (NetworkProblem, RunProblem) as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 130


def _bench(arguments: argparse.Namespace, network: Any) -> int:
    out: Path = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    video = Path(find("bikes.mp4"))
    cores = machine.share_out(machine.usable_cores())
    setting = Setting(network, cores, video, arguments.model, arguments.robot_speed, out)
    _say(f"{machine.in_words()}; {network.in_words}")
    images = read_video(str(video), rate_hz=arguments.camera_hz)
    _say(f"{len(images)} frames of {video.name}, {arguments.camera_hz:g} a second of it; the whole network finds…")
    engine = Engine.load(arguments.model)
    reference, judgement = judge(engine, images, out / "judgement.json")
    f1_80, quality = judgement.f1_80, judgement.lowest_quality
    _say(f"F1 of jpeg 80: {f1_80:.3f}; lowest quality with F1 ≥ {LEAST_F1}: {quality}")
    everything = list(systems(quality))
    if f1_80 < LEAST_F1:
        everything.append(at_fidelity(fidelity_with_jpeg(engine, 80) or f1_80))
    chosen = _chosen(everything, arguments.systems)
    runs = _run_all(arguments, setting, chosen)
    flights = [_run_in_flight(int(frames), arguments, setting) for frames in arguments.in_flight.split(",") if frames]
    rows = [
        make_row(system, scenario, rounds, reference.f1)
        for (scenario, name), rounds in runs.items()
        for system in chosen
        if system.name == name
    ]
    about = {
        "machine": machine.in_words(),
        "link": network.in_words,
        "model": arguments.model,
        "robot_speed": arguments.robot_speed,
        "camera_hz": arguments.camera_hz,
        "image": [int(images[0].shape[1]), int(images[0].shape[0])],
        "rounds": arguments.rounds,
        "warm_up_frames": arguments.warm_up,
        "jpeg_f1": {"80": round(f1_80, 4), "lowest_quality": quality},
        "in_flight": flights,
    }
    return _write(out, rows, everything, about)


def _run_all(
    arguments: argparse.Namespace, setting: Setting, chosen: Sequence[System]
) -> dict[tuple[str, str], list[Seen]]:
    """Run everything, a scenario's systems in turn and then again, so that a drift of the machine meets them all."""
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
                _say(
                    f"{time.monotonic() - begin_s:4.0f} s  {scenario.name:>8}  round {number + 1}  {system.name:<18} "
                    f"{1e3 * mean_s[system.name]:7.1f} ms  {one.answered}/{len(one.frames)} answered"
                )
            running = in_reach(running, mean_s)
    return seen


def in_reach(running: Sequence[System], mean_s: Mapping[str, float]) -> list[System]:
    """
    Return the systems that are worth another round.

    :param mean_s: by a system's name, its mean delay in the last one.
    :returns: those that took less than :data:`REACH` times the best's time, and the default policy.
    """
    best_s = min(mean_s.values())
    return [one for one in running if one.name == OURS or mean_s[one.name] < REACH * best_s]


def _run_in_flight(frames: int, arguments: argparse.Namespace, setting: Setting) -> dict[str, Any]:
    """Run the default policy with so many frames in flight under a camera that is faster than it."""
    scenario = constant(IN_FLIGHT_MBPS, camera_hz=IN_FLIGHT_HZ, frames=round(IN_FLIGHT_S * IN_FLIGHT_HZ))
    scenario = replace(scenario, name="in_flight")
    seen = run_system(in_flight(frames), scenario, setting, warm_up=round(IN_FLIGHT_S * IN_FLIGHT_HZ))
    answered = [frame["answered_s"] - frame["sent_s"] for frame in seen.frames if "answered_s" in frame]
    made = {
        "max_in_flight": frames,
        "uplink_mbps": IN_FLIGHT_MBPS,
        "camera_hz": IN_FLIGHT_HZ,
        "fps": round(seen.answered / seen.seconds, 2),
        "answer_ms": percentiles_ms(answered),
    }
    _say(f"{frames} in flight: {made['fps']} frames a second, answered in {made['answer_ms']['mean']:.0f} ms")
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


def _chosen(everything: Sequence[System], names: str) -> list[System]:
    if not names:
        return list(everything)
    wanted = names.split(",")
    known = [system.name for system in everything] + ["jpeg_lowest"]
    for name in wanted:
        if name not in known:
            raise RunProblem(f"--systems: {name!r} is not known: choose among {', '.join(known)}")
    lowest = "jpeg_lowest" in wanted
    return [
        system
        for system in everything
        if system.name in wanted or (lowest and system.jpeg_quality and system.name != JPEG_80)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, allow_abbrev=False)
    parser.add_argument("--rates", default="4,16,50,changing", metavar="LIST", help="scenarios (%(default)s)")
    parser.add_argument("--systems", default="", metavar="LIST", help="names of systems (all)")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="times that each runs (%(default)s)")
    parser.add_argument(
        "--changing-rounds", type=int, default=1, metavar="N", help="on the changing link (%(default)s)"
    )
    parser.add_argument("--frames", type=int, default=16, metavar="N", help="that count, a round (%(default)s)")
    parser.add_argument("--warm-up", type=int, default=WARM_UP_FRAMES, metavar="N", help="before them (%(default)s)")
    parser.add_argument("--turn", type=float, default=10.0, metavar="S", help="of the changing link (%(default)s)")
    parser.add_argument("--camera-hz", type=float, default=4.0, metavar="HZ", help="of the camera (%(default)s)")
    parser.add_argument("--robot-speed", type=float, default=0.2, metavar="FRACTION", help="(%(default)s)")
    parser.add_argument(
        "--in-flight", default="1,2,3", metavar="LIST", help="frames in flight that fps is measured for (%(default)s)"
    )
    parser.add_argument("--model", default="yolov3_tiny", help="(%(default)s)")
    parser.add_argument("--link", choices=("auto", "namespaces", "emulated"), default="auto", help="(%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("out/bench"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one short round, for those who work on the testbed")
    parser.add_argument("--docs", action="store_true", help="only write docs/performance.md from what lies in DIR")
    parser.add_argument("--clean", action="store_true", help="remove what killed runs left, and end")
    return parser


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End once: a second signal must not break off the cleaning up."""
    del number, frame
    for either in (signal.SIGINT, signal.SIGTERM):
        signal.signal(either, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, flush=True)
