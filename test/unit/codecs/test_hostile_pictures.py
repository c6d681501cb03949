# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Pictures that a decoder reads differently from the header check, or that cost far more than their size suggests."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import CodecError, EncodedTensor, TensorSpec, get_codec

SIDE = 32
SPEC = TensorSpec(name="image", dtype="uint8", shape=(1, 3, SIDE, SIDE), channels_last=True)


def jpeg(image: NDArray[np.uint8], *flags: int) -> bytes:
    """Return the image encoded by OpenCV."""
    done, data = cv2.imencode(".jpg", image, list(flags))
    assert done
    return data.tobytes()


def decode(data: bytes) -> None:
    get_codec("jpeg90-420").decode(EncodedTensor("image", "uint8", SPEC.shape, "jpeg90-420", memoryview(data)), SPEC)


GOOD = jpeg(np.zeros((SIDE, SIDE, 3), np.uint8))
LARGE = jpeg(np.zeros((4 * SIDE, 4 * SIDE, 3), np.uint8))
SCAN = GOOD.index(b"\xff\xda")


def hidden() -> bytes:
    """
    Return a picture that hides a larger frame behind a fill byte and a marker without a length, as ITU T.81 allows.

    A reader that takes these bytes for a segment of 0x01ff bytes jumps to a small frame inside the comment, which a
    decoder skips.
    """
    small = GOOD[GOOD.index(b"\xff\xc0") : SCAN + 14]
    start = b"\xff\xd8" + b"\xff\xff\x01"
    comment = b"\xff\xfe" + (1022).to_bytes(2, "big")
    inside = bytes(2 + 2 + 0x01FF - len(start) - len(comment)) + small
    return start + comment + inside.ljust(1020, b"\0") + LARGE[2:]


def repeated_scans() -> bytes:
    """Return a progressive picture that sends its last scan a hundred times."""
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    data = jpeg(image, cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_QUALITY, 10)
    return data[:-2] + 100 * data[data.rindex(b"\xff\xda") : -2] + data[-2:]


BAD = {
    "another size": LARGE,
    "a size behind a fill byte": hidden(),
    "a progressive picture": jpeg(np.zeros((SIDE, SIDE, 3), np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "repeated scans": repeated_scans(),
    "a second frame": GOOD[:SCAN] + GOOD[GOOD.index(b"\xff\xc0") : SCAN] + GOOD[SCAN:],
    "one component of three": GOOD[: SCAN + 4] + b"\x01" + GOOD[SCAN + 5 :],
    "a segment shorter than its length": GOOD[:2] + b"\xff\xfe\x00\x00" + GOOD[2:],
    "a restart marker before the frame": GOOD[:2] + b"\xff\xd0" + GOOD[2:],
    "no scan": GOOD[:SCAN] + b"\xff\xd9",
    "cut off": GOOD[: len(GOOD) // 2],
}


def test_a_plain_picture_is_decoded() -> None:
    decode(GOOD)


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused_before_it_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(CodecError, match="expected"):
        decode(BAD[name])
