# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure codecs with memory on a video: agreement with the whole network, bytes, and times.

`python benchmarks/stream_codecs.py VIDEO --hz 2.5 10 --arms pool4/int4-delta-d0.75` prints one JSON object per rate and
arm. Run it on an idle machine, on one core, for comparable times.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.agreement import LEAST_SCORE, Matches, bootstrap, f1, match_detections
from neurosurgeon_ros.calibration.calibrate import SUPPRESSION_IOU
from neurosurgeon_ros.codecs import StreamCodec, StreamDecoder, StreamEncoder, TensorSpec, decode, get_stream_codec
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import find

#: Successive images show the same objects, so the bootstrap draws blocks of this duration.
BLOCK_S = 1.0


@dataclass
class _Row:
    """What is measured of one codec at one point and one rate."""

    codec: StreamCodec
    point: str
    hz: float
    every: int
    ends: dict[int, list[tuple[StreamEncoder, StreamDecoder]]] = field(default_factory=dict)
    blocks: defaultdict[int, list[Matches]] = field(default_factory=lambda: defaultdict(list))
    sent: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)

    def send(self, start: int, tensors: Sequence[torch.Tensor], specs: Sequence[TensorSpec]) -> list[torch.Tensor]:
        """Encode and decode the tensors of one frame in the stream that began with frame `start`."""
        key = start not in self.ends
        if key:
            self.ends[start] = [(self.codec.encoder(spec), self.codec.decoder(spec)) for spec in specs]
        began = time.perf_counter()
        encoded = [end.encode(tensor, key=key) for (end, _), tensor in zip(self.ends[start], tensors, strict=True)]
        sent = time.perf_counter()
        decoded = [
            end.decode(one, key=key) if one.codec == self.codec.name else decode(one, spec)
            for (_, end), one, spec in zip(self.ends[start], encoded, specs, strict=True)
        ]
        done = time.perf_counter()
        (self.keys if key else self.sent).append(sum(one.data.nbytes for one in encoded))
        if not key:
            self.encode_s.append(sent - began)
            self.decode_s.append(done - sent)
        return decoded

    def result(self, video: str) -> dict[str, Any]:
        """Return the measured figures; bytes and times are those of frames that are no keys."""
        blocks = [
            Matches(sum(m.both for m in block), sum(m.one for m in block), sum(m.other for m in block))
            for block in self.blocks.values()
        ]
        return {
            "video": video,
            "hz": self.hz,
            "codec": self.codec.name,
            "point": self.point,
            "f1": round(f1(blocks), 4),
            "f1_low": round(bootstrap(blocks)[0], 4),
            "objects": sum(block.one for block in blocks),
            "frames": len(self.sent) + len(self.keys),
            "bytes": round(float(np.mean(self.sent))) if self.sent else 0,
            "key_bytes": round(float(np.mean(self.keys))),
            "encode_ms": round(1e3 * float(np.median(self.encode_s)), 3) if self.encode_s else 0.0,
            "decode_ms": round(1e3 * float(np.median(self.decode_s)), 3) if self.decode_s else 0.0,
        }


def measure(
    video: Path,
    rates: Sequence[float],
    arms: Sequence[tuple[StreamCodec, str]],
    *,
    model: str = "yolov3_tiny",
    most_frames: int = 250,
) -> list[dict[str, Any]]:
    """
    Return a row of figures for each rate and each arm.

    At a rate below the video's, every offset gives a stream of its own, so that all frames are used. Each stream starts
    with a key. F1 compares with the whole network on the same frames, and `f1_low` is the lower end of its 90 %
    interval, from blocks of one second that are drawn with replacement.

    :param rates: frames per second, in Hz. The nearest rate that takes every n-th frame is used.
    :param arms: codec with memory, and name of a partition point all of whose tensors the codec accepts.
    :param most_frames: number of frames of the video that are used.
    :raises ValueError: the video cannot be read, or there is no such point.
    """
    engine = Engine.load(model)
    points = {point.name: point for point in engine.partitioned.points}
    missing = sorted({point for _, point in arms} - points.keys())
    if missing:
        raise ValueError(f"There is no partition point {missing[0]!r}; choose one of {', '.join(points)}.")
    rate, frames = _read(video, most_frames)
    rows = []
    for hz in rates:
        every = max(1, round(rate / hz))
        rows += [_Row(codec, point, round(rate / every, 3), every) for codec, point in arms]
    wanted = sorted({points[point].index for _, point in arms})
    with torch.inference_mode():
        for index, image in enumerate(frames):
            x, letterbox = engine.model.preprocess(image)
            held = engine.partitioned.run_front(x, engine.on_device, keep=wanted)
            outputs = [held[engine.on_device]]
            for row in rows:
                point = points[row.point]
                tensors = row.send(index % row.every, held[point.index], point.tensors)
                outputs.append(engine.partitioned.run_back(tensors, point.index))
            whole, *others = (
                engine.model.postprocess(output, letterbox, confidence=LEAST_SCORE, iou=SUPPRESSION_IOU)
                for output in outputs
            )
            for row, other in zip(rows, others, strict=True):
                row.blocks[int(index / rate / BLOCK_S)].append(match_detections(whole, other))
    return [row.result(video.name) for row in rows]


def _read(video: Path, most: int) -> tuple[float, Iterator[NDArray[np.uint8]]]:
    """Return the rate of a video in Hz, and its first images."""
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    if not capture.isOpened() or rate <= 0.0:
        raise ValueError(f"{video} cannot be read as a video; give a file that OpenCV reads.")

    def images() -> Iterator[NDArray[np.uint8]]:
        for _ in range(most):
            read, image = capture.read()
            if not read:
                break
            yield np.asarray(image, dtype=np.uint8)
        capture.release()

    return rate, images()


def main() -> None:
    """Print a row for each rate and arm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("video", nargs="?", type=Path, help="default: the shipped video")
    parser.add_argument("--hz", type=float, nargs="+", default=[10.0])
    parser.add_argument("--arms", nargs="+", required=True, help="point/codec")
    parser.add_argument("--frames", type=int, default=250)
    options = parser.parse_args()
    torch.set_num_threads(1)
    named = [arm.partition("/") for arm in options.arms]
    arms = [(get_stream_codec(codec), point) for point, _, codec in named]
    for row in measure(options.video or find("bikes.mp4"), options.hz, arms, most_frames=options.frames):
        json.dump(row, sys.stdout)
        print(flush=True)


if __name__ == "__main__":
    main()
