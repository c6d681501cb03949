# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frames of a video file."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from neurosurgeon_ros.camera.video_source import PICTURES_RATE_HZ, VideoProblem, VideoSource, named_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "greys.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (64, 48))
    for number in range(5):
        writer.write(np.full((48, 64, 3), 40 * number, dtype=np.uint8))
    writer.release()
    return path


def greys(source: VideoSource) -> list[int]:
    found = []
    while (frame := source.read()) is not None:
        found.append(round(float(np.median(frame)) / 40.0))
    return found


def test_every_frame_comes_once_and_again_after_rewinding(video: Path) -> None:
    with VideoSource(str(video)) as source:
        assert (source.height, source.width, source.is_camera) == (48, 64, False)
        assert source.rate_hz == pytest.approx(12.5)
        assert greys(source) == [0, 1, 2, 3, 4]
        source.rewind()
        assert greys(source) == [0, 1, 2, 3, 4]
        source.rewind()
        source.read()
        source.rewind()
        assert greys(source) == [0, 1, 2, 3, 4]


def test_pictures_of_a_folder_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number, name in enumerate(("b.png", "a.JPG", "c.bmp", "d.png")):
        cv2.imwrite(str(tmp_path / name), np.full((48 + number, 64, 3), 40 * number, dtype=np.uint8))
    (tmp_path / "aa.png").write_text("no picture")
    (tmp_path / "notes.txt").write_text("no picture either")
    with VideoSource(str(tmp_path)) as source:
        assert (source.height, source.width, source.is_camera, source.rate_hz) == (49, 64, False, PICTURES_RATE_HZ)
        assert greys(source) == [1, 0, 2, 3]
        source.rewind()
        assert greys(source) == [1, 0, 2, 3]


@pytest.mark.parametrize(
    ("name", "said"), [("", "does not exist"), ("none.mp4", "does not exist"), (".", "has no picture")]
)
def test_what_is_no_file_is_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(VideoProblem, match=said):
        VideoSource(str(tmp_path / name) if name else "")


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoProblem, match="cannot be decoded"):
        VideoSource(str(tmp_path / "text.mp4"))


def test_a_camera_that_is_not_there_is_refused() -> None:
    with pytest.raises(VideoProblem, match="camera 987 "):
        VideoSource("987")


def test_the_shipped_fixed_camera_is_played_by_its_name() -> None:
    with VideoSource(named_video("fixed")) as source:
        assert (source.height, source.width, source.rate_hz) == (576, 768, 10.0)


def test_a_shipped_video_that_was_not_downloaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    with pytest.raises(VideoProblem, match=r"vtest\.avi .* is missing: run `tools/setup --files`"):
        named_video("fixed")


@pytest.mark.parametrize("other", ["0", "./fixed", "fixed.avi", ""])
def test_what_is_no_name_of_a_shipped_video_stays_as_it_is(other: str) -> None:
    assert named_video(other) == other
