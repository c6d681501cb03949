# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What the benchmark of codecs with memory counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import stream_codecs

from neurosurgeon_ros.codecs import get_stream_codec
from neurosurgeon_ros.models.files import find

CODEC = get_stream_codec("int6-delta-d0.75")


def test_a_row_for_each_rate_and_arm() -> None:
    fast, slow = stream_codecs.measure(find("bikes.mp4"), [25.0, 12.0], [(CODEC, "pool4")], most_frames=6)
    assert (fast["hz"], slow["hz"]) == (25.0, 12.5)
    for row in (fast, slow):
        assert (row["video"], row["codec"], row["point"], row["frames"]) == ("bikes.mp4", CODEC.name, "pool4", 6)
        assert row["f1_low"] <= row["f1"] <= 1.0
        assert 0 < row["bytes"] < row["key_bytes"]
        assert row["encode_ms"] > 0.0 and row["decode_ms"] > 0.0
    # Every second frame has changed more than every frame.
    assert slow["bytes"] > fast["bytes"]


def test_bad_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no partition point 'pool9'; choose one of input"):
        stream_codecs.measure(find("bikes.mp4"), [25.0], [(CODEC, "pool9")])
    no_video = tmp_path / "text.mp4"
    no_video.write_text("no video", encoding="utf-8")
    with pytest.raises(ValueError, match=r"text\.mp4 cannot be read as a video"):
        stream_codecs.measure(no_video, [25.0], [(CODEC, "pool4")])
