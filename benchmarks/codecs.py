# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the time, size and error of each codec, on YOLOv3-tiny and frames of the shipped video.

Prints a table: codec, tensor, bytes, bytes per element, the shortest time to encode and to decode in milliseconds, and
the largest error relative to the tensor's range. Run it on an idle machine: `python benchmarks/codecs.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import CODECS, CameraPicture, decode, get_codec
from neurosurgeon_ros.models import load_model
from neurosurgeon_ros.models.files import find
from neurosurgeon_ros.partition import partition

POINTS = ("input", "pool2", "pool3", "pool4", "conv5.act")
EVERY = 25
REPEATS = 20


def frames() -> Iterator[NDArray[np.uint8]]:
    """Yield every 25th frame of the video."""
    capture = cv2.VideoCapture(str(find("bikes.mp4")))
    index = 0
    while True:
        read, frame = capture.read()
        if not read:
            break
        if index % EVERY == 0:
            yield frame
        index += 1
    capture.release()


def least_ms(action: Callable[[], object]) -> float:
    """Return the shortest duration of several runs, in milliseconds."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    """Measure every codec on every tensor that it takes."""
    model = load_model("yolov3_tiny")
    network = partition(model.network, model.example_input, keep_all=True)
    inputs = [model.preprocess(frame)[0] for frame in frames()]
    print(f"{'codec':14} {'tensor':10} {'bytes':>9} {'/element':>8} {'encode':>8} {'decode':>8} {'error':>8}")
    for point in (point for point in network.points if point.name in POINTS):
        spec = point.tensors[0]
        tensors: list[torch.Tensor] = [network.run_front(x, point.index)[point.index][0] for x in inputs]
        for codec in map(get_codec, CODECS):
            if isinstance(codec, CameraPicture) or not codec.accepts(spec):
                continue
            encoded = [codec.encode(tensor, spec) for tensor in tensors]
            size = float(np.mean([len(e.data) for e in encoded]))
            tensor, sample = tensors[len(tensors) // 2], encoded[len(encoded) // 2]
            span = float(tensor.max()) - float(tensor.min())
            error = float((decode(sample, spec).float() - tensor.float()).abs().max()) / span
            print(
                f"{codec.name:14} {point.name:10} {size:9.0f} {size / tensor.numel():8.3f} "
                f"{least_ms(lambda c=codec, t=tensor, s=spec: c.encode(t, s)):8.2f} "
                f"{least_ms(lambda e=sample, s=spec: decode(e, s)):8.2f} {error:8.5f}"
            )


if __name__ == "__main__":
    main()
