# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The underlays communicate with the originals: the types and therefore the type hashes are equal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_path

# Type hashes of the originals: vision_msgs 4.1 as published; of the others as they follow from the fields in their
# repositories, ffmpeg_image_transport_msgs 1.0.1 and foxglove_msgs 3.1.0.
PUBLISHED = {
    "vision_msgs/msg/Detection2DArray": "RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "vision_msgs/msg/Detection2D": "RIHS01_0d12b69df5c593b3455b7346fac8205437a7d4bcb09b9e0e0b2dde787ded38ea",
    "vision_msgs/msg/LabelInfo": "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783",
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": (
        "RIHS01_648d84e0d33cbf76daf54b094d8f06154b8a24800a19c14371754df799fbaf79"
    ),
    "foxglove_msgs/msg/CompressedVideo": "RIHS01_32039eafc3770e589c86c4dabff9c392ce9955ebffd43f5f60763011d43d8d1d",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_type_hash_is_that_of_the_original(name: str) -> None:
    package, folder, plain = name.split("/")
    description = Path(get_package_share_path(package)) / folder / f"{plain}.json"
    hashes = {entry["type_name"]: entry["hash_string"] for entry in json.loads(description.read_text())["type_hashes"]}
    assert hashes[name] == PUBLISHED[name]
