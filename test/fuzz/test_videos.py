# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A damaged video packet is rejected in one sentence, or decoded to an image of the stream's size."""

from __future__ import annotations

import dataclasses
import functools
import zlib

import cv2
import numpy as np
import pytest
from fuzz.cases import Case, Fuzz

from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, TensorSpec, get_stream_codec
from neurosurgeon_ros.codecs.streams.video.camera import CameraVideo
from neurosurgeon_ros.codecs.streams.video.packets import MOST_PIXELS

pytest.importorskip("av", reason="the video codecs need PyAV")

SIDE = 64
SPEC = TensorSpec("image", (1, 3, SIDE, SIDE), "uint8", channels_last=True)
CODECS = (
    "camera-h264-veryfast-crf20",
    "camera-h264-ultrafast-crf20",
    "camera-hevc-ultrafast-crf26",
    "camera-av1-preset10-crf35",
)


@functools.cache
def good(name: str) -> tuple[EncodedTensor, ...]:
    """Return a key and the two packets that follow it."""
    codec = get_stream_codec(name)
    assert isinstance(codec, CameraVideo)
    encoder = codec.encoder(SPEC)
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    image = np.asarray(cv2.resize(noise, (SIDE + 8, SIDE), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    sent = []
    for shift in range(3):
        pixels = np.ascontiguousarray(image[:, shift : shift + SIDE])
        encoded = encoder.carry(CameraImage(pixels), key=shift == 0)
        sent.append(dataclasses.replace(encoded, data=memoryview(bytes(encoded.data))))
    return tuple(sent)


@pytest.mark.parametrize("name", CODECS)
def test_a_damaged_packet_is_refused_or_gives_an_image(fuzz: Fuzz, name: str) -> None:
    codec, packets = get_stream_codec(name), good(name)
    assert isinstance(codec, CameraVideo)

    def attempt(case: Case) -> None:
        decoder = codec.decoder(SPEC)
        victim, sealed = case.randrange(len(packets)), case.random() < 0.9
        for position, packet in enumerate(packets):
            data = bytes(packet.data)
            if position == victim:
                data = data[:4] + case.damaged(data[4:]) if sealed else case.damaged(data)
            if sealed:  # as from somebody who knows how: the decoder itself has to cope with it
                data = zlib.crc32(data[4:], decoder.checksum if position else 0).to_bytes(4, "little") + data[4:]
            image = decoder.image(dataclasses.replace(packet, data=memoryview(data)), key=position == 0)
            assert image.shape[0] * image.shape[1] <= MOST_PIXELS

    fuzz(attempt, CodecError)
