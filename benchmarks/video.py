# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure the video codecs on YOLOv3-tiny: agreement, bytes and time.

Encodes consecutive frames of a video at a rate, decodes them, and compares the detections with those of the whole
network on the same frames. Each codec encodes several streams from places spread over the video, because a static
object that a key shows badly is missed until the next key. Prints F1 with its 90 % interval, the lowest and highest F1
of a stream, the bytes of a frame that is no key and of a key, and the median time to encode and to decode:
`python benchmarks/video.py --video fixed --rate 2.5`. Without a codec's name it measures all of them.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.agreement import LEAST_SCORE, Matches, bootstrap, f1, match_detections
from neurosurgeon_ros.calibration.calibrate import SUPPRESSION_IOU
from neurosurgeon_ros.camera.video_source import SHIPPED_VIDEOS, VideoSource, named_video
from neurosurgeon_ros.codecs import STREAM_CODECS, CameraImage, TensorSpec, get_stream_codec
from neurosurgeon_ros.codecs.streams.video.camera import CameraVideoDecoder, CameraVideoEncoder
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import Detections, Letterbox

Image = NDArray[np.uint8]


@dataclass(slots=True)
class Measured:
    """What was measured of one codec."""

    streams: list[list[Matches]] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)

    def line(self) -> str:
        """Return the figures as a line of the table."""
        matches = list(itertools.chain.from_iterable(self.streams))
        low, high = bootstrap(matches)
        each = [f1(stream) for stream in self.streams]
        return (
            f"{f1(matches):.3f} [{low:.3f}, {high:.3f}] {min(each):.3f} to {max(each):.3f} "
            f"{np.mean(self.sent):8.0f} {np.mean(self.keys):8.0f} "
            f"{1e3 * np.median(self.encode_s):7.2f} {1e3 * np.median(self.decode_s):7.2f}"
        )


class Judge:
    """Runs the network, and remembers what it finds in the frames as they are."""

    def __init__(self) -> None:
        self.engine = Engine.load("yolov3_tiny")
        self.spec: TensorSpec = self.engine.partitioned.points[0].tensors[0]
        self._whole: dict[int, Detections] = {}

    def detect(self, x: torch.Tensor, letterbox: Letterbox) -> Detections:
        """Return the detections of the whole network."""
        with torch.inference_mode():
            held = self.engine.partitioned.run_front(x, self.engine.on_device)
        outputs = held[self.engine.on_device]
        return self.engine.model.postprocess(outputs, letterbox, confidence=LEAST_SCORE, iou=SUPPRESSION_IOU)

    def compare(self, index: int, frame: Image, decoded: torch.Tensor) -> Matches:
        """Return how the detections in a decoded frame match those in the frame itself."""
        x, letterbox = self.engine.model.preprocess(frame)
        if index not in self._whole:
            self._whole[index] = self.detect(x, letterbox)
        return match_detections(self._whole[index], self.detect(decoded, letterbox))


def measure(name: str, frames: list[Image], streams: list[range], every: int, judge: Judge) -> Measured:
    """Encode and decode streams of frames, and judge every so manieth frame."""
    codec, measured = get_stream_codec(name), Measured()
    for indices in streams:
        encoder, decoder = codec.encoder(judge.spec), codec.decoder(judge.spec)
        measured.streams.append([])
        for position, index in enumerate(indices):
            key, frame = position == 0, frames[index]
            x, _ = judge.engine.model.preprocess(frame)
            start_s = time.perf_counter()
            if isinstance(encoder, CameraVideoEncoder):
                encoded = encoder.carry(CameraImage(frame), key=key)
            else:
                encoded = encoder.encode(x, key=key)
            sent_s = time.perf_counter()
            if isinstance(decoder, CameraVideoDecoder):
                image = decoder.image(encoded, key=key)
                end_s = time.perf_counter()
                x, _ = judge.engine.model.preprocess(image)
            else:
                x = decoder.decode(encoded, key=key)
                end_s = time.perf_counter()
            assert encoder.checksum == decoder.checksum
            (measured.keys if key else measured.sent).append(encoded.data.nbytes)
            measured.encode_s.append(sent_s - start_s)
            measured.decode_s.append(end_s - sent_s)
            if position % every == every - 1:
                measured.streams[-1].append(judge.compare(index, frame, x))
    return measured


def read(video: str) -> Iterator[Image]:
    """Yield all frames of a video."""
    with VideoSource(named_video(video)) as source:
        while (frame := source.read()) is not None:
            yield frame


def main() -> None:
    """Print a table of the codecs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--video", default="fixed", help=f"video file, or {' or '.join(SHIPPED_VIDEOS)}")
    parser.add_argument("--rate", type=float, default=10.0, help="frames per second (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=6, help="number of streams (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=100, help="frames of a stream (default: %(default)s)")
    parser.add_argument("--every", type=int, default=4, help="judge every so manieth frame (default: %(default)s)")
    parser.add_argument("codecs", nargs="*", metavar="CODEC", help="codecs (default: all)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    judge, frames = Judge(), list(read(options.video))
    with VideoSource(named_video(options.video)) as source:
        step = max(1, round(source.rate_hz / options.rate))
    length = min(options.frames, len(frames) // step) * step
    starts = sorted({round(start) for start in np.linspace(0, len(frames) - length, options.streams)})
    streams = [range(start, start + length, step) for start in starts]
    print(f"{'codec':28} {'F1':22} {'of a stream':14} {'bytes':>8} {'key':>8} {'encode':>7} {'decode':>7} ms")
    for name in options.codecs or STREAM_CODECS:
        print(f"{name:28} {measure(name, frames, streams, options.every, judge).line()}", flush=True)


if __name__ == "__main__":
    main()
