# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Read the pictures of a folder in the order of their names, without ROS."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

#: File extensions of pictures.
PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def picture_paths(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)


def picture(path: Path) -> NDArray[np.uint8] | None:
    """Return a picture, BGR, shape (H, W, 3); None if it cannot be decoded."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if image is None else np.asarray(image, dtype=np.uint8)


class PictureFolder:
    """
    Pictures of a folder, read like the frames of a video. Pictures that cannot be decoded are left out.

    :param folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = iter(picture_paths(folder))

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        """Return whether there is another picture, and the picture."""
        for path in self._paths:
            found = picture(path)
            if found is not None:
                return True, found
        return False, None

    def release(self) -> None:
        """Do nothing, because no file is open."""
