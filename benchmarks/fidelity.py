# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how well a run's detections agree with the whole network's, on frames that were not used for calibration.

Runs each arm that a demo chose on the frames of the shipped video that did not contribute limits to the shipped
calibration. Prints each arm's F1, and the F1 of all arms weighted by how often they were chosen:
`python benchmarks/fidelity.py out/demo/decisions.csv`.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import torch

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.agreement import LEAST_SCORE, Matches, f1, match_detections
from neurosurgeon_ros.calibration.calibrate import SUPPRESSION_IOU, encode, judging, through
from neurosurgeon_ros.calibration.fidelity import find_fidelity
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import find


def main() -> None:
    """Print the F1 of the arms in a decisions.csv."""
    with Path(sys.argv[1]).open(newline="") as stream:
        chosen = Counter(row["arm"] for row in csv.DictReader(stream))
    engine = Engine.load("yolov3_tiny")
    limits = Admission(fidelity=find_fidelity(engine.fingerprint)).limits
    codecs = [name.partition("/")[2] for name in chosen if "/" in name]
    arms = {arm.name: arm for arm in engine.arms(codecs, limits=limits)}
    capture = cv2.VideoCapture(str(find("bikes.mp4")))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    judges = judging(count)  # the shipped calibration used every frame
    matches: dict[str, list[Matches]] = {name: [] for name in chosen}
    with torch.inference_mode():
        for index in range(count):
            read, image = capture.read()
            if not read or not judges[index]:
                continue
            pixels = np.asarray(image, dtype=np.uint8)
            x, letterbox = engine.model.preprocess(pixels)
            held = engine.partitioned.run_front(x, engine.on_device, keep=range(engine.on_device))
            results = {
                name: through(engine, arms[name], encode(engine, arms[name], held[arms[name].point], pixels))
                if arms[name].codec
                else held[engine.on_device]
                for name in chosen
            }
            whole, *others = (
                engine.model.postprocess(outputs, letterbox, confidence=LEAST_SCORE, iou=SUPPRESSION_IOU)
                for outputs in (held[engine.on_device], *results.values())
            )
            for name, other in zip(results, others, strict=True):
                matches[name].append(match_detections(whole, other))
    frames = len(next(iter(matches.values())))
    for name, times in chosen.most_common():
        print(f"{name:22} {times:5} times  F1 {f1(matches[name]):.4f} on {frames} frames")
    mix = [match for name, times in chosen.items() for match in matches[name] for _ in range(times)]
    print(f"{'all, as chosen':22} {sum(chosen.values()):5} times  F1 {f1(mix):.4f}")


if __name__ == "__main__":
    main()
