# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Measure arms on consecutive frames of a video: agreement with the whole network, bytes, and times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.agreement import (
    Matches,
    bootstrap,
    f1,
    total,
)
from neurosurgeon_ros.calibration.calibrate import Judge
from neurosurgeon_ros.calibration.fidelity import find_fidelity
from neurosurgeon_ros.calibration.stream_trial import StreamTrial
from neurosurgeon_ros.camera.video_source import VideoSource, named_video
from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine

#: Successive images show the same objects, so the bootstrap draws blocks of this duration.
BLOCK_S = 1.0


@dataclass(frozen=True, slots=True)
class Extent:
    """
    How much is measured of each arm.

    :param streams: number of streams, which begin at different places of the video. At least 1.
    :param frames: maximum number of frames of a stream. Several streams take at most half of the video each.
    :param judged: maximum number of frames of a stream that are compared with the whole network.
    """

    streams: int = 12
    frames: int = 50
    judged: int = 10


@dataclass(slots=True)
class _Cell:
    """
    One arm at one rate, and what is measured of it.

    :param hz: rate that was asked for, as exactly as the video has it.
    :param planned: frames of each stream.
    :param every: every so manieth frame of a stream is judged.
    """

    arm: Arm
    hz: float
    planned: list[range]
    every: int
    open: dict[int, StreamTrial] = field(default_factory=dict)
    blocks: defaultdict[int, defaultdict[int, list[Matches]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    sent: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    encode_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)

    def due(self, index: int) -> Iterator[tuple[int, bool]]:
        """Yield the streams that send a frame of the video, and whether it is judged."""
        for number, frames in enumerate(self.planned):
            if index in frames:
                is_judged = (frames.index(index) + 1) % self.every == 0
                if is_judged or self.arm.is_stream:
                    yield number, is_judged

    def send(
        self, engine: Engine, number: int, index: int, image: CameraImage, tensors: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, ...]:
        """Send a frame in a stream, and return what the edge has of it."""
        if number not in self.open:
            self.open[number] = StreamTrial(engine, self.arm)
        sent = self.open[number].send(tensors, image)
        (self.keys if sent.is_key else self.sent).append(sent.sent_bytes)
        if not sent.is_key:
            self.encode_s.append(sent.encode_s)
            self.decode_s.append(sent.decode_s)
        if index == self.planned[number][-1]:
            del self.open[number]  # an encoder of a video takes many megabytes
        return sent.tensors

    def row(self, video: str) -> dict[str, Any]:
        """Return the figures."""
        streams = [[total(block) for block in blocks.values()] for blocks in self.blocks.values()]
        return {
            "video": video,
            "hz": self.hz,
            "codec": self.arm.codec,
            "point": self.arm.name.partition("/")[0],
            "f1": round(f1([block for stream in streams for block in stream]), 4),
            "f1_low": round(bootstrap(streams)[0], 4),
            "bytes": round(_or_0(np.mean, self.sent)),
            "key_bytes": round(_or_0(np.mean, self.keys)),
            "encode_ms": round(1e3 * _or_0(np.median, self.encode_s), 3),
            "decode_ms": round(1e3 * _or_0(np.median, self.decode_s), 3),
        }


def measure(
    video: str,
    rates: Sequence[float],
    arms: Sequence[str],
    *,
    extent: Extent | None = None,
    model: str = "yolov3_tiny",
    progress: Callable[[float], None] = lambda share: None,
) -> list[dict[str, Any]]:
    """
    Return a row of figures for each rate and each arm.

    Each stream begins with a key, sends consecutive frames at the rate, and has no other key. A key decides whether a
    static object is seen until the next key, so several streams begin at different places. F1 compares with the whole
    network on the same frames. `f1_low` is the lower end of its 90 % interval, from streams drawn with replacement, and
    blocks of one second of each. `bytes` and the times are those of frames that are no keys; `key_bytes` is 0 for a
    codec without memory, which sends every frame alone.

    :param video: name of a shipped video, or a file.
    :param rates: frames per second, in Hz. The nearest rate that takes every n-th frame is used.
    :param arms: `point/codec`, with any registered codec but `as_received`; the video has no received JPEG.
    :param extent: how much is measured.
    :param progress: is given the share that each frame of the video is of the work.
    :raises ValueError: the video cannot be read, or the network has no such arm.
    """
    extent = extent or Extent()
    engine = Engine.load(model)
    judge = Judge(engine)
    chosen = find_arms(engine, arms)
    rate_hz, count = _length(video)
    cells = []
    for hz in rates:
        step = max(1, round(rate_hz / hz))
        planned = plan(count, step, extent)
        every = max(1, len(planned[0]) // extent.judged)
        cells += [_Cell(arm, round(rate_hz / step, 3), planned, every) for arm in chosen]
    points = sorted({arm.point for arm in chosen})
    with torch.inference_mode():
        for index, frame in enumerate(_frames(video)):
            if index == 0:
                engine.eliminate_padding(frame.shape)  # as an edge does when it is idle
            progress(1.0 / count)
            due = [(cell, number, judged) for cell in cells for number, judged in cell.due(index)]
            if due:
                _send(engine, judge, points, index, int(index / rate_hz / BLOCK_S), frame, due)
    return [cell.row(video) for cell in cells]


def _send(
    engine: Engine,
    judge: Judge,
    points: Sequence[int],
    index: int,
    block: int,
    frame: NDArray[np.uint8],
    due: Sequence[tuple[_Cell, int, bool]],
) -> None:
    """Send one frame of the video in each stream that it is due in, and judge what is to be judged."""
    x, letterbox = engine.model.preprocess(frame)
    held = engine.partitioned.run_front(x, points[-1], keep=points[:-1])
    whole = judge.detect(engine.run_whole(x), letterbox) if any(judged for _, _, judged in due) else None
    image = CameraImage(frame)
    for cell, number, judged in due:
        tensors = cell.send(engine, number, index, image, held[cell.arm.point])
        if judged and whole is not None:
            other = judge.detect(engine.run_back(tensors, cell.arm.point), letterbox)
            cell.blocks[number][block].append(judge.match(whole, other))


def plan(count: int, step: int, extent: Extent) -> list[range]:
    """
    Return the frames of each stream.

    :param count: frames of the video.
    :param step: every so manieth frame is sent.
    """
    most = count // step if extent.streams == 1 else count // step // 2
    length = step * max(1, min(extent.frames, most))
    starts = sorted({round(start) for start in np.linspace(0, max(0, count - length), extent.streams)})
    return [range(start, min(start + length, count), step) for start in starts]


def find_arms(engine: Engine, names: Sequence[str]) -> list[Arm]:
    """
    Return the arms with these names.

    :raises ValueError: the network has no such arm.
    """
    codecs = list(dict.fromkeys(name.partition("/")[2] for name in names))
    limits = Admission(fidelity=find_fidelity(engine.fingerprint)).limits
    arms = {arm.name: arm for codec in codecs for arm in engine.arms([codec], limits=limits)[:-1]}
    missing = [name for name in names if name not in arms]
    if missing:
        points = ", ".join(point.name for point in engine.partitioned.points[:-1])
        raise ValueError(
            f"There is no arm {missing[0]!r}; give point/codec, with a codec for what crosses at one of {points}."
        )
    return [arms[name] for name in names]


def _length(video: str) -> tuple[float, int]:
    """Return the rate of a video in Hz, and its number of frames."""
    with VideoSource(named_video(video)) as source:
        count = 0
        while source.read() is not None:
            count += 1
        return source.rate_hz, count


def _frames(video: str) -> Iterator[NDArray[np.uint8]]:
    with VideoSource(named_video(video)) as source:
        while (frame := source.read()) is not None:
            yield frame


def _or_0(mean: Callable[[Sequence[float]], Any], values: Sequence[float]) -> float:
    return float(mean(values)) if values else 0.0
