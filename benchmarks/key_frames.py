# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure what the key-frame score costs and how well it agrees with scikit-image's full-size SSIM, on the shipped video.

    tools/run python benchmarks/key_frames.py [--threshold 0.8] [--json FILE]

Agreement (Cohen's kappa) is measured at frame steps 1, 2 and 4, at the video's own size. Times are measured at 640x480,
as a mean over the video's frames, because frames near the threshold take longer and must count as often as they occur.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from neurosurgeon_ros.learning.key_frames import KeyFrameDetector, coarse_ssim
from neurosurgeon_ros.models.files import find

STEPS = (1, 2, 4)
CAMERA = (640, 480)


def frames() -> list[NDArray[np.uint8]]:
    """Return every frame of the video, BGR."""
    capture = cv2.VideoCapture(str(find("bikes.mp4")))
    found = []
    while True:
        read, frame = capture.read()
        if not read:
            capture.release()
            return found
        found.append(np.asarray(frame, dtype=np.uint8))


def kappa(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return how far two series of decisions agree beyond chance: 1 if always, 0 if only as often as by chance."""
    chance = a.mean() * b.mean() + (1.0 - a.mean()) * (1.0 - b.mean())
    return float((np.mean(a == b) - chance) / (1.0 - chance)) if chance < 1.0 else 1.0


def main() -> None:
    """Print one line per frame step, and write the figures to a file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threshold", type=float, default=0.8)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    arguments = parser.parse_args()
    threshold, results = arguments.threshold, []
    video = frames()
    print(f"{'step':>4} {'pairs':>5} {'key':>6} {'kappa':>6} {'coarse off by':>13} {'score':>8} {'scikit-image':>12}")
    for step in STEPS:
        chosen = video[::step]
        grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in chosen]
        pairs = list(pairwise(grey))
        exact = np.array([structural_similarity(a, b, data_range=255) for a, b in pairs])  # type: ignore[no-untyped-call]
        coarse = np.array([coarse_ssim(a.astype(np.float32), b.astype(np.float32)) for a, b in pairs])
        detector = KeyFrameDetector(threshold)
        keys = np.array([detector.score(frame).key for frame in chosen][1:])

        large = [np.asarray(cv2.resize(frame, CAMERA), dtype=np.uint8) for frame in chosen]
        detector = KeyFrameDetector(threshold)
        begin = time.perf_counter()
        for frame in large:
            detector.score(frame)
        score_ms = 1e3 * (time.perf_counter() - begin) / len(large)
        begin = time.perf_counter()
        for a, b in pairwise(large[:11]):
            one, other = cv2.cvtColor(a, cv2.COLOR_BGR2GRAY), cv2.cvtColor(b, cv2.COLOR_BGR2GRAY)
            structural_similarity(one, other, data_range=255)  # type: ignore[no-untyped-call]
        exact_ms = 1e3 * (time.perf_counter() - begin) / 10
        agreement = kappa(exact < threshold, keys)
        results.append({"step": step, "kappa": agreement, "score_ms": score_ms, "reference_ms": exact_ms})
        print(
            f"{step:4d} {len(pairs):5d} {np.mean(keys):6.2f} {agreement:6.3f} "
            f"{np.abs(coarse - exact).max():13.4f} {score_ms:5.2f} ms {exact_ms:9.1f} ms"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
