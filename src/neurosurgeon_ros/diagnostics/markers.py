# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Show detections in space as the edges of each box's frustum, from the camera to a given distance."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from neurosurgeon_ros.models import Detections

#: Line width of the edges, metres.
WIDTH_M = 0.01

# Corners of the far rectangle, as indices into (left, top, right, bottom), and the edges that connect the corners and
# the camera (-1).
_CORNERS = ((0, 1), (2, 1), (2, 3), (0, 3))
_EDGES = ((-1, 0), (-1, 1), (-1, 2), (-1, 3), (0, 1), (1, 2), (2, 3), (3, 0))


def obstacle(info: CameraInfo, size: tuple[int, int]) -> str:
    """
    Return why no frustums can be drawn; empty if they can.

    :param size: width and height of the image, pixels.
    """
    k = np.asarray(info.k, dtype=np.float64)
    if not np.isfinite(k).all() or k[0] <= 0.0 or k[4] <= 0.0:
        return "its camera_info has no intrinsics: calibrate the camera"
    if not np.isfinite(np.asarray(info.d, dtype=np.float64)).all():
        return "its camera_info has a distortion that is not finite"
    if (info.width, info.height) not in ((0, 0), size):
        return f"its camera_info is for {info.width} x {info.height} pixels, its images have {size[0]} x {size[1]}"
    return ""


def frustums(
    detections: Detections, labels: Sequence[str], info: CameraInfo, *, range_m: float, header: Header
) -> MarkerArray:
    """
    Make the markers of one frame; they replace the markers of the previous frame.

    A box has no marker if its rays do not meet a plane in front of the camera, because the calibration is implausible.

    :param labels: name of each class; each class has its own colour, and a namespace that RViz can switch on and off.
    :param info: calibration of the camera, with intrinsics: see :func:`obstacle`.
    :param range_m: distance of the far rectangle from the camera, along its axis.
    :param header: header of the image; its frame is the camera's optical frame.
    """
    array = MarkerArray(markers=[Marker(header=header, action=Marker.DELETEALL)])
    far = range_m * rays(detections.boxes, info)
    for index, corners in enumerate(far):
        if not np.isfinite(corners).all():
            continue
        label = int(detections.classes[index])
        places = [*(Point(x=float(x), y=float(y), z=float(range_m)) for x, y in corners), Point()]
        marker = Marker(header=header, ns=labels[label], id=index, type=Marker.LINE_LIST, action=Marker.ADD)
        marker.pose.orientation.w = 1.0
        marker.scale.x = WIDTH_M
        marker.color = _color(label, len(labels))
        marker.points = [places[end] for edge in _EDGES for end in edge]
        array.markers.append(marker)
    return array


def rays(boxes: NDArray[np.float64], info: CameraInfo) -> NDArray[np.float64]:
    """
    Return where the rays through the boxes' corners meet the plane at distance 1, without lens distortion.

    :param boxes: centre and size, pixels; shape (n, 4).
    :returns: x to the right and y down; shape (n, 4, 2), clockwise from the upper left corner.
    """
    if len(boxes) == 0:
        return np.zeros((0, 4, 2))
    sides = np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1)
    pixels = np.stack([sides[:, corner] for corner in _CORNERS], axis=1).reshape(-1, 1, 2)
    k = np.asarray(info.k, dtype=np.float64).reshape(3, 3)
    d = np.asarray(info.d, dtype=np.float64)
    if info.distortion_model == "equidistant" and len(d) == 4:
        plane = cv2.fisheye.undistortPoints(pixels, k, d)
    else:
        plane = cv2.undistortPoints(pixels, k, d if len(d) in (4, 5, 8, 12, 14) else np.zeros(4))
    return np.asarray(plane, dtype=np.float64).reshape(-1, 4, 2)


def _color(label: int, labels: int) -> ColorRGBA:
    red, green, blue = colorsys.hsv_to_rgb((label * 0.618034) % 1.0 if labels > 1 else 0.3, 0.8, 1.0)
    return ColorRGBA(r=red, g=green, b=blue, a=0.9)
