# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Verify the networks of the zoo, and write the table in docs/your-own-network.md.

    out/networks/bin/python -m benchmarks.networks [NAME ...] [--seconds 50] [--write-docs]

It needs the packages of tools/requirements/networks.txt. What is known of a network is in out/bench/networks.json, from
which a later run goes on; networks that are named are measured again.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.networks import zoo
from neurosurgeon_ros.cli.verify import verify
from neurosurgeon_ros.inference.engine import Engine

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "out" / "bench" / "networks.json"
PAGE = ROOT / "docs" / "your-own-network.md"
MARKS = re.compile(r"(<!-- networks -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS = {
    "backbone": zoo.BACKBONES,
    "detector": (*zoo.YOLOS, *zoo.TRANSFORMERS),
    "segmentation": zoo.SEGMENTERS,
}


def image() -> np.ndarray[Any, Any]:
    """Return an image with edges and noise, BGR, shape (480, 640, 3)."""
    random = np.random.default_rng(0)
    picture = random.integers(0, 60, (480, 640, 3), dtype=np.uint8)
    for _ in range(40):
        corner, side = random.integers(0, 400, 2), random.integers(20, 200, 2)
        colour = tuple(int(one) for one in random.integers(0, 256, 3))
        cv2.rectangle(picture, corner.tolist(), (corner + side).tolist(), colour, -1)
    return picture


def measure(name: str) -> dict[str, Any]:
    """Return what is known of a network: its points, what travels there, and whether the parts equal the whole."""
    began = time.perf_counter()
    try:
        engine = Engine.load(f"benchmarks.networks.zoo:{name}")
        points = engine.partitioned.points
        differences = verify(engine, image())
    except Exception as error:
        return {"failed": (str(error).strip().splitlines() or [type(error).__name__])[0][:300]}
    lossless = {arm.name: sent for arm, (sent, _) in differences.items()}
    crossing = [sum(int(np.prod(spec.shape)) for spec in point.tensors) for point in points[:-1]]
    differing = [arm.name for arm, (_, difference) in differences.items() if difference]
    return {
        "input": "x".join(map(str, engine.model.example_input.shape[2:])),
        "points": len(points),
        "cuts": len(points) + engine.partitioned.left_out,
        "most_tensors": max(len(point.tensors) for point in points),
        "smallest_lossless": min(lossless.values()),
        "smallest_int8": min(crossing),
        "smallest_point": points[int(np.argmin(crossing))].name,
        "differing": differing,
        "obstacle": engine.partitioned.obstacle,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _known() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(OUT.read_text()) if OUT.is_file() else {}
    return found


def table(known: dict[str, dict[str, Any]]) -> str:
    """Return the table for the page."""
    lines = [
        "| network | input | points (all cuts) | smallest point | its bytes as int8 | smallest without loss | verify |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for names in KINDS.values():
        for name in names:
            if name not in known:
                continue
            row = known[name]
            if "failed" in row:
                lines.append(f"| {name} | | | | | | fails: {row['failed'].replace('|', '/')} |")
                continue
            verdict = "equal, bit for bit"
            if row["differing"]:
                verdict = f"{len(row['differing'])} arms differ: {', '.join(row['differing'][:3])}"
            if row["obstacle"]:
                verdict += f"; {row['obstacle']}"
            lines.append(
                f"| {name} | {row['input']} | {row['points']} ({row['cuts']}) | `{row['smallest_point']}` | "
                f"{row['smallest_int8']:,} | {row['smallest_lossless']:,} | {verdict} |"
            )
    return "\n".join(lines)


def main() -> int:
    """Measure what is not known yet, as far as the time allows; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin with no further network after these")
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/your-own-network.md")
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    torch.set_num_threads(1)
    known = _known()
    every = [name for names in KINDS.values() for name in names]
    end = time.monotonic() + args.seconds
    for name in args.names or [name for name in every if name not in known]:
        if time.monotonic() > end:
            break
        known = {**_known(), name: measure(name)}  # another process may have measured others
        print(name, json.dumps(known[name]), flush=True)
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(json.dumps({name: known[name] for name in every if name in known}, indent=1) + "\n")
    if args.write_docs:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(MARKS.sub(lambda match: f"{match[1]}{table(known)}\n{match[2]}", text), encoding="utf-8")
    good = [name for name in every if name in known and not known[name].get("failed") and not known[name]["differing"]]
    print(f"{len(good)} of {len(known)} networks pass, {len(every) - len(known)} are not measured")
    return 0 if len(good) == len(known) else 1


if __name__ == "__main__":
    sys.exit(main())
