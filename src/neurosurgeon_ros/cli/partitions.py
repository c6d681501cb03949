# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon partitions``: where a network can be partitioned, what is sent there, and the work on each side."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosurgeon_ros.cli.arguments import UsageError, number
from neurosurgeon_ros.cli.network import (
    add_network_options,
    load_engine,
    load_fidelity,
    make_console,
    notes,
    reading,
    smallest,
)

if TYPE_CHECKING:
    from neurosurgeon_ros.calibration.admission import Admission
    from neurosurgeon_ros.calibration.fidelity import FidelityTable
    from neurosurgeon_ros.codecs import TensorSpec
    from neurosurgeon_ros.inference.arm import Arm
    from neurosurgeon_ros.inference.engine import Engine

#: Codecs with their own column.
SHOWN = ("fp16", "int8")

#: Default of the camera's images per second.
RATE_HZ = 10.0

#: Number of measured passes.
REPEATS = 10


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "partitions",
        help="show where a network can be partitioned, and what is sent there",
        description="Show every partition point of a network: its name, the tensors that cross it, their bytes with "
        "each codec, the work before and after it, and the delay of the front-end and the back-end on this machine.",
        allow_abbrev=False,
    )
    add_network_options(parser)
    parser.add_argument("--all", action="store_true", help="also show the points where an earlier one carries no more")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a chart into a PNG, PDF or SVG file")
    parser.add_argument(
        "--min-fidelity",
        type=number(0.0, 1.0),
        default=0.95,
        metavar="F",
        help="agreement with the whole network that the smallest arm must reach (default: %(default)s)",
    )
    parser.add_argument(
        "--rate",
        type=number(0.1, 1000.0, "Hz"),
        default=RATE_HZ,
        metavar="HZ",
        help="the camera's images per second, for codecs with memory (default: %(default)g)",
    )


def run(args: argparse.Namespace) -> int:
    """
    Show a network's partition points.

    :returns: exit code.
    :raises UsageError: if the network cannot be used, or the plot cannot be written.
    """
    engine = load_engine(args, keep_all=args.all)
    content = describe(engine, load_fidelity(args, engine), args.min_fidelity, args.rate)
    if args.plot is not None:
        from neurosurgeon_ros.cli.partitions_plot import plot

        try:
            plot(content, args.plot)
        except (OSError, ValueError) as problem:
            raise UsageError(
                f"--plot: {args.plot} cannot be written ({problem}): name a PNG, PDF or SVG file"
            ) from None
    if args.json:
        print(json.dumps(content, indent=2))
        return 0
    _show(content)
    if args.plot is not None:
        print(args.plot)
    return 0


def describe(
    engine: Engine, fidelity: FidelityTable | None, min_fidelity: float, rate_hz: float = RATE_HZ
) -> dict[str, Any]:
    """
    Return all data about a network's partition points, ready for JSON.

    Arms whose codec has memory are those of the calibration, with the bytes of a frame that is no key.

    :param rate_hz: the camera's images per second.
    """
    import torch

    from neurosurgeon_ros.calibration.admission import AUTO, Admission, expand
    from neurosurgeon_ros.learning.interface import FEATURES
    from neurosurgeon_ros.partition import profile

    admission = Admission(min_fidelity=min_fidelity, fidelity=fidelity, rate_hz=rate_hz)
    judged = fidelity.streams if fidelity else {}
    every = engine.arms(expand((AUTO,), fidelity), limits=admission.limits)
    arms = [arm for arm in every if arm.codec and (not arm.is_stream or arm.name in judged)]
    allowed = set(admission.admit(engine, arms))
    measured = profile(engine.partitioned, engine.model.example_input, repeats=REPEATS, warmup=2)
    macs = [FEATURES.index(name) for name in ("conv_macs", "fc_macs", "act_macs")]
    points = []
    for point in engine.partitioned.points:
        after = sum(point.features[index] for index in macs)
        points.append(
            {
                "p": point.index,
                "name": point.name,
                "tensors": [_tensor(spec) for spec in point.tensors],
                "bytes": point.bytes,
                "features": dict(zip(FEATURES, point.features, strict=True)),
                "macs_before": sum(engine.partitioned.points[0].features[index] for index in macs) - after,
                "macs_after": after,
                "front_s": float(measured.front_s[point.index]),
                "back_s": float(measured.back_s[point.index]),
                "arms": [
                    {
                        "codec": arm.codec,
                        "bytes": admission.expected_bytes(engine, arm),
                        "key_bytes": admission.expected_key_bytes(engine, arm),
                        "fidelity": _fidelity(admission, arm),
                        "lossless": arm.is_lossless,
                        "allowed": arm in allowed,
                    }
                    for arm in arms
                    if arm.point == point.index
                ],
            }
        )
    return {
        "model": engine.model.name,
        "fingerprint": engine.fingerprint,
        "random_weights": engine.model.random_weights,
        "family": engine.model.family,
        "labels": engine.model.labels,
        "obstacle": engine.partitioned.obstacle,
        "left_out": engine.partitioned.left_out,
        "calibration": None if fidelity is None else f"{fidelity.measure} on {fidelity.images}",
        "min_fidelity": min_fidelity,
        "rate_hz": rate_hz,
        "threads": torch.get_num_threads(),
        "notes": [*reading(engine), *notes(engine)],
        "points": points,
    }


def _fidelity(admission: Admission, arm: Arm) -> float | None:
    if arm.is_lossless:
        return 1.0
    known = admission.known(arm)
    return known.fidelity if known else None


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def _show(content: dict[str, Any]) -> None:
    """Print the points as a table."""
    from rich.table import Table

    table = Table(title=f"{content['model']} {content['fingerprint'][:12]}, {content['threads']} threads")
    table.add_column("p", justify="right")
    table.add_column("point")
    table.add_column("tensors")
    has_memory = any(arm["key_bytes"] for point in content["points"] for arm in point["arms"])
    headers = ["raw", *SHOWN, "smallest at " + format(content["min_fidelity"], "g")]
    if has_memory:
        headers.append(f"with memory at {content['rate_hz']:g} Hz")
    for header in (*headers, "MMAC before", "after", "front-end", "back-end"):
        table.add_column(header, justify="right")
    for point in content["points"]:
        by_codec = {arm["codec"]: arm for arm in point["arms"]}
        raw, least = smallest(point, lossless=True), smallest(point, lossless=False)
        streamed = smallest(point, lossless=False, memory=True)
        table.add_row(
            str(point["p"]),
            point["name"],
            "\n".join("×".join(map(str, tensor["shape"])) for tensor in point["tensors"]),
            _size(raw),
            *(_size(by_codec.get(codec)) for codec in SHOWN),
            _figures(least),
            *((_figures(streamed),) if has_memory else ()),
            f"{point['macs_before'] / 1e6:,.0f}",
            f"{point['macs_after'] / 1e6:,.0f}",
            f"{1e3 * point['front_s']:.1f} ms",
            f"{1e3 * point['back_s']:.1f} ms",
        )
    console = make_console()
    console.print(table)
    for note in content["notes"]:
        console.print(note, highlight=False, soft_wrap=True)
    if content["left_out"]:
        print(f"{content['left_out']} more points carry no less than an earlier one: --all shows them")
    calibration = content["calibration"]
    without = (
        "no calibration: bytes are guesses where they depend on the content, 'neurosurgeon calibrate' measures them"
    )
    print(f"calibration: {calibration}" if calibration else without)


def _figures(arm: dict[str, Any] | None) -> str:
    """Return an arm's codec, bytes and agreement, and the bytes of a key if its codec has memory."""
    if arm is None:
        return ""
    fidelity = f" {arm['fidelity']:.2f}" if arm["fidelity"] is not None else ""
    key = f"\nkey {arm['key_bytes'] / 1e3:,.0f} kB" if arm["key_bytes"] else ""
    size = f"{arm['bytes'] / 1e3:,.1f} kB" if arm["key_bytes"] else _size(arm)
    return f"{arm['codec']} {size}{fidelity}{key}"


def _size(arm: dict[str, Any] | None) -> str:
    return f"{float(arm['bytes']) / 1e3:,.0f} kB" if arm else ""
