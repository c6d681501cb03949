# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Frustums of boxes: as by a pinhole camera model, with the lens distortion removed, and none without intrinsics."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from visualization_msgs.msg import Marker

from neurosurgeon_ros.diagnostics.markers import frustums, obstacle, rays
from neurosurgeon_ros.models import Detections

HEADER = Header(frame_id="camera_optical")
SIZE = (640, 480)


def camera(d: list[float] | None = None, model: str = "plumb_bob") -> CameraInfo:
    k = [500.0, 0.0, 320.0, 0.0, 400.0, 240.0, 0.0, 0.0, 1.0]
    return CameraInfo(width=640, height=480, k=k, d=d or [], distortion_model=model)


def found(*boxes: tuple[float, float, float, float]) -> Detections:
    return Detections(np.array(boxes, dtype=float).reshape(-1, 4), np.full(len(boxes), 0.5), np.arange(len(boxes)))


def test_a_box_becomes_the_eight_edges_of_its_frustum() -> None:
    array = frustums(found((320, 240, 100, 80)), ("person",), camera(), range_m=10.0, header=HEADER)
    clear, marker = array.markers
    assert clear.action == Marker.DELETEALL
    assert (marker.ns, marker.type, marker.header) == ("person", Marker.LINE_LIST, HEADER)
    edges = {
        frozenset(((a.x, a.y, a.z), (b.x, b.y, b.z)))
        for a, b in zip(marker.points[::2], marker.points[1::2], strict=True)
    }
    corners = [(-1.0, -1.0, 10.0), (1.0, -1.0, 10.0), (1.0, 1.0, 10.0), (-1.0, 1.0, 10.0)]
    eye = (0.0, 0.0, 0.0)
    assert edges == {
        *(frozenset((eye, corner)) for corner in corners),
        *(frozenset((corners[index], corners[(index + 1) % 4])) for index in range(4)),
    }


def test_the_lens_is_undone() -> None:
    box = (500.0, 350.0, 120.0, 90.0)
    corners = np.array([(440, 305), (560, 305), (560, 395), (440, 395)], dtype=float)
    for d, model in (([-0.2, 0.05, 0.001, 0.002, 0.0], "plumb_bob"), ([0.01, -0.02, 0.003, 0.001], "equidistant")):
        info = camera(d, model)
        k = np.array(info.k).reshape(3, 3)
        plane = rays(found(box).boxes, info)[0]
        points = np.column_stack((plane, np.ones(4))).reshape(-1, 1, 3)
        project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
        pixels, _ = project(points, np.zeros(3), np.zeros(3), k, np.array(d))
        assert np.allclose(pixels.reshape(-1, 2), corners, atol=0.1), model


def test_a_frame_without_detections_takes_the_old_markers_away() -> None:
    array = frustums(found(), ("person",), camera(), range_m=1.0, header=HEADER)
    assert [marker.action for marker in array.markers] == [Marker.DELETEALL]


def test_a_calibration_by_which_a_box_lies_nowhere_draws_none() -> None:
    """Found by fuzzing: such intrinsics are finite, and the corners were not."""
    for info in (camera([0.0, 0.0, 1e30, 0.0, 0.0]), CameraInfo(k=[1e-300, 0.0, 320.0, 0.0, 1.0, *[0.0] * 3, 1.0])):
        assert obstacle(info, SIZE) == ""
        array = frustums(found((320, 240, 100, 80)), ("person",), info, range_m=1.0, header=HEADER)
        assert [marker.action for marker in array.markers] == [Marker.DELETEALL]


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (CameraInfo(), "no intrinsics"),
        (CameraInfo(k=[float("nan")] * 9), "no intrinsics"),
        (CameraInfo(k=camera().k, d=[float("inf")]), "not finite"),
        (CameraInfo(k=camera().k, width=320, height=240), "320 x 240"),
    ],
)
def test_a_camera_that_cannot_be_used_is_named(info: CameraInfo, said: str) -> None:
    assert said in obstacle(info, SIZE)
    assert obstacle(camera(), SIZE) == ""
