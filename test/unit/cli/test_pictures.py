# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""timeline.png and annotated.mp4."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from neurosurgeon_ros.cli.charts import stage_delays
from neurosurgeon_ros.cli.demo.annotation import AnnotatedVideo
from neurosurgeon_ros.cli.demo.matching import Frame
from neurosurgeon_ros.cli.demo.timeline import draw_timeline

from .seen import decision, detections, image, on_device


def test_stages_add_up_to_the_total() -> None:
    run = [
        decision(1),
        on_device(2),
        decision(
            3,
            outcome="fallback",
            offload_delay=0.3,
            transmit_delay=np.nan,
            edge_queue_delay=np.nan,
            edge_decode_delay=np.nan,
            edge_compute_delay=np.nan,
            edge_postprocess_delay=np.nan,
            finish_delay=0.05,
            total_delay=0.38,
        ),
    ]

    assert stage_delays(run).sum(axis=0) == pytest.approx([0.1, 0.2, 0.38])
    assert stage_delays(run)[4] == pytest.approx([0.0, 0.0, 0.3])


@pytest.mark.parametrize("frames", [1, 3, 200])
def test_a_timeline_is_drawn_for_any_number_of_frames(frames: int, tmp_path: Path) -> None:
    run = [
        (on_device if number % 3 else decision)(number, key_frame=number % 4 == 0, forced=number % 5 == 0)
        for number in range(1, frames + 1)
    ]
    draw_timeline(run, "a run", tmp_path / "timeline.png")

    picture = cv2.imread(str(tmp_path / "timeline.png"))
    assert picture.shape[0] > 500
    assert picture.std() > 10.0


@pytest.mark.parametrize("frames", [1, 7, 45])
def test_a_video_has_each_frame_once_and_in_order(frames: int, tmp_path: Path) -> None:
    path = tmp_path / "annotated.mp4"
    video = AnnotatedVideo(path)
    for number in range(1, frames + 1):
        grey = image(number, height=121, width=161)
        video.add(Frame(decision(number), detections(number, "car"), grey.image))
    video.close()

    capture = cv2.VideoCapture(str(path))
    rate = capture.get(cv2.CAP_PROP_FPS)
    greys = []
    while (read := capture.read())[0]:
        greys.append(float(np.median(read[1][90:120])))
    assert len(greys) == frames == video.written
    assert greys == pytest.approx([10.0 * number % 250 for number in range(1, frames + 1)], abs=6.0)
    assert rate == pytest.approx(10.0 if frames == 1 else 25.0, rel=0.01)


def test_no_frames_make_no_video(tmp_path: Path) -> None:
    video = AnnotatedVideo(tmp_path / "annotated.mp4")
    video.add(Frame(decision(1), detections(1), None))
    video.close()

    assert not (tmp_path / "annotated.mp4").exists()
