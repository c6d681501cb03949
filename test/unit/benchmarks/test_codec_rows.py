# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of codecs counts, and what it writes on its page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from codec_rows import main as command
from codec_rows.defaults import CAMERA, CAMERA_VIDEO, CHANGES, GROUPS, INPUT, INPUT_VIDEO, MAPS, family
from codec_rows.measure import Extent, find_arms, measure, plan
from codec_rows.page import PAGE, best, draw, filled, frontier

from neurosurgeon_ros.calibration.stream_trial import StreamTrial
from neurosurgeon_ros.codecs import CameraImage
from neurosurgeon_ros.inference.engine import Engine

SHORT = Extent(streams=2, frames=3, judged=1)
KEYS = {"video", "hz", "codec", "point", "f1", "f1_low", "bytes", "key_bytes", "encode_ms", "decode_ms"}
VIDEO = "input/h264-veryfast-crf12"
CAMERA_IMAGES = "input/camera-h264-veryfast-crf12"
DELTA = "pool4/int6-delta-d0.75"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load("yolov3_tiny")


def row(codec: str = "int6-delta-d1", point: str = "pool4", **fields: Any) -> dict[str, Any]:
    """Return a row as the benchmark measures it."""
    figures = {"f1": 0.96, "f1_low": 0.94, "bytes": 2000, "key_bytes": 9000, "encode_ms": 2.0, "decode_ms": 1.0}
    return {"video": "fixed", "hz": 10.0, "codec": codec, "point": point, **figures, **fields}


def test_every_kind_of_arm_is_measured() -> None:
    arms = ["input/webp-lossless", "input/camera-jpeg95-420", "pool4/int8-zstd", VIDEO, CAMERA_IMAGES, DELTA]
    rows = measure("street", [12.0], arms, extent=SHORT)
    assert [f"{row['point']}/{row['codec']}" for row in rows] == arms
    for one in rows:
        assert one.keys() == KEYS
        assert (one["video"], one["hz"]) == ("street", 12.5)
        assert 0.0 <= one["f1_low"] <= one["f1"] <= 1.0
        assert one["encode_ms"] > 0.0 and one["decode_ms"] > 0.0
    lossless, camera, maps, *with_memory = rows
    assert (lossless["f1"], lossless["f1_low"]) == (1.0, 1.0)
    assert lossless["key_bytes"] == camera["key_bytes"] == maps["key_bytes"] == 0
    assert all(0 < one["bytes"] < one["key_bytes"] for one in with_memory)
    assert [family(one) for one in rows] == [INPUT, CAMERA, MAPS, INPUT_VIDEO, CAMERA_VIDEO, CHANGES]


def test_all_tensors_that_cross_are_counted() -> None:
    engine = Engine.load("yolov3_tiny", keep_all=True)
    point = next(point for point in engine.partitioned.points if len(point.tensors) == 2)
    image = CameraImage(np.zeros((272, 640, 3), dtype=np.uint8))
    x, _ = engine.model.preprocess(image.pixels)
    tensors = engine.partitioned.run_front(x, point.index)[point.index]
    arms = {arm.codec: arm for arm in engine.arms(["int8", "int4-delta-d0.5"]) if arm.point == point.index}
    assert StreamTrial(engine, arms["int8"]).send(tensors, image).sent_bytes == sum(
        tensor.numel() for tensor in tensors
    )
    stream = StreamTrial(engine, arms["int4-delta-d0.5"])
    key, same = stream.send(tensors, image), stream.send(tensors, image)
    assert len(key.tensors) == len(same.tensors) == 2
    assert same.sent_bytes < key.sent_bytes / 10


def test_a_tensor_that_cannot_be_part_of_a_stream_is_sent_alone(engine: Engine) -> None:
    arm = next(arm for arm in engine.arms(["int6-delta-d1"]) if arm.name == "pool4/int6-delta-d1")
    image = CameraImage(np.zeros((272, 640, 3), dtype=np.uint8))
    x, _ = engine.model.preprocess(image.pixels)
    (good,) = engine.partitioned.run_front(x, arm.point)[arm.point]
    bad = good.clone()
    bad[0, 0, 0, 0] = float("nan")
    stream = StreamTrial(engine, arm)
    stream.send((good,), image)
    (decoded,) = stream.send((bad,), image).tensors
    assert bool(decoded[0, 0, 0, 0].isnan()) and torch.equal(decoded.nan_to_num(), bad.nan_to_num())


def test_a_lower_rate_sends_larger_changes_and_progress_ends_at_all_of_the_work() -> None:
    shares: list[float] = []
    fast, slow = measure("street", [25.0, 4.2], [DELTA], extent=SHORT, progress=shares.append)
    assert (fast["hz"], slow["hz"]) == (25.0, 4.167)
    assert fast["bytes"] < slow["bytes"]
    assert sum(shares) == pytest.approx(1.0)


def test_streams_begin_at_different_places_and_stay_within_the_video() -> None:
    planned = plan(250, 6, Extent(streams=6, frames=100))
    assert [(frames[0], len(frames)) for frames in planned] == [(start, 20) for start in (0, 26, 52, 78, 104, 130)]
    assert max(frames[-1] for frames in planned) < 250
    assert plan(10, 3, Extent(streams=1, frames=100)) == [range(0, 9, 3)]
    assert plan(1, 3, Extent(streams=4, frames=5)) == [range(0, 1, 3)]


@pytest.mark.parametrize(
    ("arm", "problem"),
    [
        ("pool9/int8", "There is no arm 'pool9/int8'; give point/codec, .* one of input, "),
        ("pool4/h264-veryfast-crf12", "There is no arm 'pool4/h264-veryfast-crf12'"),
        ("input/as_received", "There is no arm 'input/as_received'"),
        ("pool4/int3", "Codec 'int3' is not known"),
        ("on_device", "Codec '' is not known"),
    ],
)
def test_an_arm_that_there_is_not_is_refused(engine: Engine, arm: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        find_arms(engine, [DELTA, arm])


def test_bad_options_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    no_video = tmp_path / "text.mp4"
    no_video.write_text("no video", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.mp4 cannot be decoded"):
        measure(str(no_video), [25.0], [DELTA], extent=SHORT)
    assert command.main(["--videos", str(no_video)]) == 2
    assert "text.mp4 cannot be decoded" in capsys.readouterr().err
    assert command.main(["--docs", "--json", str(no_video)]) == 2
    assert "run `make bench-codecs` first" in capsys.readouterr().err
    for options in (["--streams", "0"], ["--hz", "0"], ["--hz", "nan"]):
        with pytest.raises(SystemExit):
            command.main(options)


def test_the_command_writes_one_list_of_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "out" / "codecs.json"
    options = ["--videos", "street", "--hz", "25", "12.5", "--arms", "pool4/int4-zstd", DELTA]
    assert command.main([*options, "--streams", "1", "--frames", "2", "--judged", "1", "--json", str(path)]) == 0
    found = [(one["hz"], one["codec"]) for one in json.loads(path.read_text(encoding="utf-8"))]
    # The rate changes nothing for a codec without memory, so it is measured once.
    assert found == [(25.0, "int6-delta-d0.75"), (25.0, "int4-zstd"), (12.5, "int6-delta-d0.75")]
    assert "pool4/int4-zstd" in capsys.readouterr().out


def test_the_default_arms_exist(engine: Engine) -> None:
    names = [arm for group in GROUPS for arm in group]
    assert [arm.name for arm in find_arms(engine, names)] == names


def test_the_best_codec_has_the_fewest_bytes_at_the_aim() -> None:
    small, low, large = row(bytes=1, f1=0.94), row(bytes=2, f1_low=0.92), row(bytes=4)
    assert best([large, small, low, row(bytes=3)])["bytes"] == 3
    assert best([small, low]) is low
    beaten = [row(bytes=3, f1=0.9), row(bytes=2, f1=0.9)]
    assert [one["bytes"] for one in frontier([*beaten, row(bytes=5), small])] == [1, 5]


def test_the_page_has_a_table_of_each_video(tmp_path: Path) -> None:
    rows = [
        row(),
        row(hz=2.5, bytes=3100, f1=0.94),
        row("jpeg95-420", "input", bytes=22_222, key_bytes=0),
        row(video="street", hz=25.0),
    ]
    text = filled("before\n<!-- codecs fixed -->\nold\n<!-- end -->\nafter\n", rows)
    assert text.startswith("before\n<!-- codecs fixed -->\n| ") and text.endswith("|\n<!-- end -->\nafter\n")
    assert "old" not in text
    assert f"| {CHANGES} | 10 | `pool4/int6-delta-d1` | 0.960, 0.940 | 2.0, 9.0 | 2.0, 1.0 |" in text
    assert f"| {CHANGES} | 2.5 | `pool4/int6-delta-d1` | *0.940, 0.940* | 3.1, 9.0 | 2.0, 1.0 |" in text
    assert f"| {INPUT} | any | `jpeg95-420` | 0.960, 0.940 | 22.2, – | 2.0, 1.0 |" in text
    draw(rows, tmp_path / "codecs.png")
    assert (tmp_path / "codecs.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_is_what_the_command_would_write_into() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text, [row(), row(video="street")]).count("`pool4/int6-delta-d1`") == 2
    assert "images/codecs.png" in text
