# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A demo with its page: annotated pictures of a compressed camera are shown, and the demo ends cleanly."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from support import Processes, wait_for

START_S = 120.0


@pytest.mark.full
def test_the_page_shows_the_run_until_its_end(processes: Processes, tmp_path: Path) -> None:
    out = tmp_path / "out"
    demo = processes.start(
        "neurosurgeon", "demo", "--view", "--view-port", "0", "--image-transport", "compressed", "--out", out,
        keep_signals=True,
    )  # fmt: skip
    demo.wait_for_output("the run can be seen at ", START_S)
    found = re.search(r"the run can be seen at http://(127\.0\.0\.1:\d+)/", demo.output)
    assert found is not None
    page = http.client.HTTPConnection(found[1], timeout=START_S)
    page.request("GET", "/")
    assert b"neurosurgeon: yolov3_tiny" in page.getresponse().read()

    video = http.client.HTTPConnection(found[1], timeout=START_S)
    video.request("GET", "/video")
    answer = video.getresponse()
    pictures = []
    while len(pictures) < 5:
        line = answer.readline()
        assert line, demo.output
        if line.startswith(b"Content-Length"):
            answer.readline()
            jpeg = np.frombuffer(answer.read(int(line.split(b":")[1])), np.uint8)
            pictures.append(cv2.imdecode(jpeg, cv2.IMREAD_COLOR))
    # The street, and below it the line about the chosen arm.
    heights, widths = {picture.shape[0] for picture in pictures}, {picture.shape[1] for picture in pictures}
    assert len(heights) == len(widths) == 1
    assert any((first != second).any() for first, second in itertools.pairwise(pictures))

    demo.popen.send_signal(signal.SIGINT)
    wait_for(lambda: demo.popen.poll() is not None, 15.0, "the end of the demo")
    assert demo.popen.returncode == 0, demo.output
    assert b"--frame" in answer.read()
    assert "Traceback" not in demo.output
    assert not [line for log in (out / "log").glob("*.log") for line in log.read_text().splitlines() if "Error" in line]
    summary = json.loads((out / "summary.json").read_text())
    # Every frame was matched with its image: the demo itself has received the camera's JPEGs.
    assert summary["detections_matched"] == summary["detections_published"] == summary["frames_accepted"] >= 5
