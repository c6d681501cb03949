# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how long a policy's choice and update take together, in milliseconds per frame.

Run with ``PYTHONPATH=src python benchmarks/bench_policy.py``. The thread's processor time is measured, and the fastest
of several rounds counts.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from neurosurgeon_ros.learning import POLICIES, make_policy
from neurosurgeon_ros.learning.interface import FEATURES, Context, Kind, Observation

LIMITS_MS = {64: 0.2, 512: 0.5}


def contexts(n_arms: int, frames: int) -> list[Context]:
    """Return contexts for a network with about as much computation as VGG16, cut at `n_arms` points."""
    rng = np.random.default_rng(0)
    left = np.linspace(1.0, 0.0, n_arms)
    features = np.outer(left, [15e9, 120e6, 13e6, 13, 3, 15, 0.0])
    features[:, FEATURES.index("psi")] = 600e3 * rng.uniform(0.2, 3.0, n_arms) * (left > 0.0)
    robot_s = 0.3 * (1.0 - left)
    return [
        Context(
            frame=frame,
            robot_s=robot_s,
            features=features,
            decode_s=np.full(n_arms, 1e-3),
            point=np.arange(n_arms),
            allowed=np.ones(n_arms, dtype=bool),
            on_device=n_arms - 1,
            key_frame=frame % 5 == 0,
            now_s=0.1 * frame,
            period_s=0.1,
        )
        for frame in range(1, frames + 1)
    ]


def milliseconds(name: str, n_arms: int, frames: int, rounds: int, mbps: float) -> float:
    """Return the mean milliseconds per frame in the fastest of `rounds` rounds."""
    made = contexts(n_arms, frames)
    rng = np.random.default_rng(1)
    noise = 1.0 + 0.05 * rng.standard_normal((frames, 4))
    best = float("inf")
    for _ in range(rounds):
        policy, spent = make_policy(name, n_arms=n_arms), 0.0
        for context, factors in zip(made, noise, strict=True):
            begin = time.thread_time()
            choice = policy.select(context)
            spent += time.thread_time() - begin
            observations = []
            for arm, kind, at in ((choice.arm, Kind.FRAME, 0), (choice.sample_arm, Kind.SAMPLE, 1)):
                if arm is None:
                    continue
                sent = float(context.features[arm, FEATURES.index("psi")])
                transmit_s, compute_s = factors[at] * 8e-6 * sent / mbps, factors[at] * context.features[arm, 0] / 2e12
                observations.append(
                    Observation(
                        arm=arm,
                        sequence=context.frame,
                        kind=kind,
                        offload_s=transmit_s + compute_s if sent else float("nan"),
                        transmit_s=transmit_s,
                        compute_s=compute_s,
                        robot_s=float(context.robot_s[arm]),
                    )
                )
            if choice.probe_bytes:
                probe_s = factors[2] * 8e-6 * choice.probe_bytes / mbps
                observations.append(
                    Observation(
                        -1, context.frame, Kind.PROBE, probe_s, transmit_s=probe_s, sent_bytes=choice.probe_bytes
                    )
                )
            begin = time.thread_time()
            for observation in observations:
                policy.observe(observation, context)
            spent += time.thread_time() - begin
        best = min(best, 1e3 * spent / frames)
    return best


def main() -> None:
    """Print a table, and write it as JSON if a file is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    args = parser.parse_args()
    rows = []
    for n_arms, limit in LIMITS_MS.items():
        for name in POLICIES:
            # The slower of two links: on the first, frames are sent; on the second, they stay and probes are sent.
            took = max(milliseconds(name, n_arms, args.frames, args.rounds, mbps) for mbps in (4.0, 100.0))
            rows.append({"policy": name, "arms": n_arms, "milliseconds": took, "limit": limit})
            print(f"{name:20} {n_arms:4} arms  {took:6.3f} ms  (limit {limit} ms)")
    if args.json is not None:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
