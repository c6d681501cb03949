# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs faults one after another on shared stages, and compares the results with the promises."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.faults import camera_faults, clock, edge_process, link, load, messages, robot_process
from benchmarks.faults.fault import STAGES, Fault, Load
from benchmarks.faults.stage.make import make_stage
from benchmarks.faults.stage.stage import Stage
from benchmarks.faults.streams import faults as streams
from benchmarks.faults.streams.watch import StreamTally, StreamWatch
from neurosurgeon_ros.robot.decision import Outcome

#: All faults. Each stage runs its faults in this order. Faults that restart a robot, which then measures its arms
#: again, come late.
FAULTS: tuple[Fault, ...] = (
    *link.FAULTS,
    *camera_faults.FAULTS,
    *messages.FAULTS,
    *load.FAULTS,
    *edge_process.FAULTS,
    *robot_process.FAULTS,
    *streams.FAULTS,
    *clock.FAULTS,
)

#: Promised number of seconds until the edge is used again after a fault; number of seconds to wait for it.
RECOVERY_S, PATIENCE_S = 10.0, 20.0

#: Number of frames without a fault and without an edge from which the on-device delay is measured.
ON_DEVICE_FRAMES = 40


@dataclass(frozen=True, slots=True)
class Result:
    """
    Result of one fault. Delays are in milliseconds, as in the report.

    :param streams: counts of the frames of streams; None if no codec had memory.
    :param problem: one sentence: why the fault could not be injected, or what else went wrong; empty if nothing.
    """

    name: str
    group: str
    injected: int
    accepted: int
    published: int
    lost: int
    duplicated: int
    out_of_order: int
    p99_delay_ms: float
    worst_delay_ms: float
    deadline_ms: float
    on_device_ms: float
    recovered_s: float | None
    streams: StreamTally | None = None
    problem: str = ""

    def failures(self, fault: Fault) -> list[str]:
        """Return the promises of the fault that were not kept."""
        return [
            text
            for text, kept in (
                (self.problem, not self.problem),
                ("nothing was injected", self.injected > 0),
                ("no frame was accepted", self.accepted > 0),
                (f"{self.lost} lost", self.lost == 0),
                (f"{self.duplicated} duplicated", self.duplicated == 0),
                (f"{self.out_of_order} out of order", self.out_of_order == 0),
                ("p99 over its bound", self.p99_delay_ms <= self.deadline_ms + 1.2 * self.on_device_ms),
                ("worst over its bound", self.worst_delay_ms <= self.deadline_ms + 2.0 * self.on_device_ms),
                (
                    "the edge did not come back in time",
                    not fault.ends or (self.recovered_s is not None and self.recovered_s <= RECOVERY_S),
                ),
            )
            if not kept
        ] + (self.streams.failures(breaks=fault.breaks) if self.streams else [])


def run_faults(
    faults: Sequence[Fault],
    *,
    logs: Path,
    seed: int,
    on_result: Callable[[Fault, Result], None],
    on_skip: Callable[[Fault, str], None],
) -> list[Result]:
    """
    Run faults. Faults that need the same kind of stage share one.

    :param on_result: called after each fault.
    :param on_skip: called with the reason for each fault that cannot run here.
    """
    results: list[Result] = []
    order = sorted(faults, key=lambda fault: (STAGES.index(fault.stage), not fault.ends))
    for kind, shared in itertools.groupby(order, key=lambda fault: fault.stage):
        folder = logs / kind
        environment = clock.wall_clock_environment(folder) if kind == "wall_clock" else {}
        if environment is None:
            for fault in shared:
                on_skip(fault, "there is no C compiler `cc`")
            continue
        has_streams = kind == "streams"
        if has_streams and (why := streams.why_absent()):
            for fault in shared:
                on_skip(fault, why)
            continue
        with make_stage(
            logs=folder,
            seed=seed,
            parameters={"use_sim_time": True} if kind == "sim_time" else {},
            environment=environment,
            robot_parameters=streams.ROBOT_PARAMETERS if has_streams else {},
            edge_parameters=streams.EDGE_PARAMETERS if has_streams else {},
            robots=streams.ROBOTS if has_streams else ("robot_node",),
        ) as stage:
            watch = StreamWatch(stage.relay) if has_streams else None
            on_device_s = measure_on_device(stage)
            for fault in shared:
                stage.restore()
                result = run_fault(stage, fault, on_device_s, watch)
                results.append(result)
                on_result(fault, result)
    return results


def measure_on_device(stage: Stage) -> float:
    """Start the stage's robot, and return the p95 of its delay when it works alone, seconds."""
    stage.start_robot()
    stage.await_robot()
    stage.drain()
    return _on_device(stage)


def measure_under_load(stage: Stage, load: Load) -> float:
    """Return the p95 of the robot's delay under a load and without an edge, seconds."""
    if stage.edge is not None:
        stage.end(stage.edge)
    stage.await_robot()
    stage.drain()
    with load(stage):
        delay_s = _on_device(stage)
    stage.restore()
    return delay_s


def _on_device(stage: Stage) -> float:
    since = stage.counter.mark()
    stage.camera.play()
    stage.counter.wait_for(lambda: len(stage.counter.decided) >= since[1] + ON_DEVICE_FRAMES, PATIENCE_S)
    stage.drain()
    decided = stage.counter.decided[since[1] :]
    assert decided and all(one.outcome is Outcome.ON_DEVICE for one in decided)
    return stage.tally(since).delay_s(0.95)


def run_fault(stage: Stage, fault: Fault, on_device_s: float, watch: StreamWatch | None = None) -> Result:
    """
    Run one fault on a stage whose edge is in use or about to be.

    :param watch: follows the stage's streams; None if no codec has memory.
    """
    if fault.load is not None:
        on_device_s = measure_under_load(stage, fault.load)
    stage.camera.play()
    stage.await_edge()
    stage.drain()
    since = stage.counter.mark()
    if watch is not None:
        watch.begin()
    stage.camera.play()
    stage.await_edge(PATIENCE_S)
    injected, problem = 0, ""
    try:
        injected = fault.inject(stage)
    except Exception as error:  # the other faults still run
        problem = f"{type(error).__name__}: {error}"
        stage.restore()
    ended_s = time.monotonic()
    recovered_s = stage.await_edge(PATIENCE_S, ended_s) if fault.ends else None
    stage.drain()
    tally = stage.tally(since)
    return Result(
        name=fault.name,
        group=fault.group,
        injected=injected,
        accepted=tally.accepted,
        published=tally.published,
        lost=tally.lost,
        duplicated=tally.duplicated,
        out_of_order=tally.out_of_order,
        p99_delay_ms=round(1e3 * tally.delay_s(0.99), 1),
        worst_delay_ms=round(1e3 * tally.delay_s(1.0), 1),
        deadline_ms=round(1e3 * stage.deadline_s, 1),
        on_device_ms=round(1e3 * on_device_s, 1),
        recovered_s=None if recovered_s is None else round(recovered_s, 2),
        streams=None if watch is None else watch.tally(),
        problem=problem,
    )


def to_summary(results: Sequence[Result]) -> dict[str, object]:
    """Return the results for summary.json: the counts, without the problems."""
    faults = [asdict(result) for result in results]
    for fault in faults:
        del fault["problem"]
    return {"faults": faults}
