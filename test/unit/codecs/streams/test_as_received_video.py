# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The packets of a camera's video that are forwarded as received: what the edge decodes, and what it refuses."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import pytest
from camera_videos import ENCODERS, FIXED, STREET, encoded, shipped_frames
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import (
    AS_RECEIVED_VIDEO,
    CameraImage,
    CodecError,
    EncodedTensor,
    TensorSpec,
    get_stream_codec,
)
from neurosurgeon_ros.codecs.streams.video.bits import PictureSize
from neurosurgeon_ros.codecs.streams.video.received import chain as chains
from neurosurgeon_ros.codecs.streams.video.received.chain import ChainKeeper, VideoChain
from neurosurgeon_ros.codecs.streams.video.received.codec import AsReceivedDecoder, AsReceivedEncoder, AsReceivedVideo
from neurosurgeon_ros.codecs.streams.video.received.decoder import CameraDecoder

pytest.importorskip("av", reason="a camera's video needs PyAV")

SPEC = TensorSpec("image", (1, 3, 64, 64), "uint8", channels_last=True)
GOP = 4


def camera(packets: Sequence[bytes], name: str = "h264", keeper: ChainKeeper | None = None) -> list[CameraImage]:
    """Return the images that a robot makes of packets, each with its chain."""
    decoder, keeper, images = CameraDecoder(name), keeper or ChainKeeper(), []
    for packet in packets:
        picture = decoder.decode(memoryview(packet))
        chain = keeper.add(memoryview(packet), name, picture.size, is_key=decoder.is_key)
        images.append(CameraImage(picture.bgr(), video=chain))
    return images


def street(count: int = 8, name: str = "h264") -> list[bytes]:
    return encoded(shipped_frames(STREET, count), name, gop=GOP)


def codec() -> AsReceivedVideo:
    found = get_stream_codec(AS_RECEIVED_VIDEO)
    assert isinstance(found, AsReceivedVideo)
    return found


def ends() -> tuple[AsReceivedEncoder, AsReceivedDecoder]:
    return codec().encoder(SPEC), codec().decoder(SPEC)


def send(
    encoder: AsReceivedEncoder, decoder: AsReceivedDecoder, image: CameraImage
) -> tuple[bool, int, NDArray[np.uint8]]:
    """Return whether an image was sent as a key, how many bytes, and what the edge has then."""
    key = not encoder.continues(image)
    tensor = encoder.carry(image, key=key)
    received = decoder.image(tensor, key=key)
    assert encoder.checksum == decoder.checksum
    return key, tensor.data.nbytes, received


@pytest.mark.parametrize("file", [STREET, FIXED])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_edge_has_the_robots_picture_bit_for_bit(name: str, file: str) -> None:
    images = camera(encoded(shipped_frames(file, 8), name, gop=GOP), name)
    encoder, decoder = ends()
    keys = []
    for image in images[1:]:  # it begins between two keys of the camera
        key, _, received = send(encoder, decoder, image)
        keys.append(key)
        assert np.array_equal(received, image.pixels)
    assert keys == [True, False, False, True, False, False, False]
    assert decoder.held_bytes > 0 == encoder.held_bytes


def test_packets_of_pictures_that_were_not_sent_travel_with_the_next_one() -> None:
    packets = street()
    images = camera(packets)
    encoder, decoder = ends()
    overhead = 4 + 3
    for index, carried in ((1, packets[:2]), (3, packets[2:4]), (6, packets[4:7]), (7, packets[7:])):
        _, nbytes, received = send(encoder, decoder, images[index])
        assert nbytes == overhead + sum(4 + len(packet) for packet in carried)
        assert np.array_equal(received, images[index].pixels)


def test_a_key_is_needed_where_the_stream_does_not_go_on() -> None:
    images = camera(street())
    encoder, _ = ends()
    with pytest.raises(CodecError, match=r"encode a key\.$"):
        encoder.carry(images[1], key=False)
    encoder.carry(images[1], key=True)
    for image in (images[0], images[1], images[4]):
        assert not encoder.continues(image)
    with pytest.raises(CodecError, match=r"no video packets that can be forwarded; send it by another codec\.$"):
        encoder.carry(CameraImage(images[0].pixels), key=True)


def test_it_replaces_images_only() -> None:
    other = TensorSpec("features", (1, 16, 8, 8), "float32", channels_last=True)
    for make in (codec().encoder, codec().decoder):
        with pytest.raises(CodecError, match="is no image"):
            make(other)
    encoder, decoder = ends()
    tensor = encoder.carry(camera(street(1))[0], key=True)
    with pytest.raises(CodecError, match="gives an image"):
        decoder.decode(tensor, key=True)
    import torch

    with pytest.raises(CodecError, match="cannot encode tensor"):
        encoder.encode(torch.zeros(SPEC.shape), key=True)


def sealed(packets: Sequence[bytes], number: int = 0, count: int | None = None, lengths: Sequence[int] = ()) -> bytes:
    """Return the data of a key, as from somebody who knows how."""
    lengths = lengths or [len(packet) for packet in packets]
    count = len(packets) if count is None else count
    body = struct.pack("<BH", number, count) + struct.pack(f"<{len(lengths)}I", *lengths) + b"".join(packets)
    return zlib.crc32(body).to_bytes(4, "little") + body


def tensor(data: bytes) -> EncodedTensor:
    return EncodedTensor(SPEC.name, SPEC.dtype, SPEC.shape, AS_RECEIVED_VIDEO, memoryview(data))


BAD = {
    "nothing": (lambda: b"", "another checksum"),
    "no packet": (lambda: zlib.crc32(b"").to_bytes(4, "little"), "has no packet"),
    "no packets": (lambda: sealed([]), "0 packets of format 0"),
    "too many packets": (lambda: sealed([b"x"] * 301), "301 packets of format 0"),
    "an unknown format": (lambda: sealed(street(1), 3), "of format 3"),
    "no lengths": (lambda: sealed([], count=300), "no lengths of 300 packets"),
    "an empty packet": (lambda: sealed([street(1)[0], b""]), "other lengths"),
    "a length that is too long": (lambda: sealed(street(1), lengths=[2**32 - 1]), "other lengths"),
    "more than the packets": (lambda: sealed([*street(1), b"x"], count=1, lengths=[5]), "other lengths"),
    "no key": (lambda: sealed(street(2)[1:]), "is no key frame and follows none"),
    "another format": (lambda: sealed(street(1), 1), "unit|another layer"),
    "a missing packet": (lambda: sealed([street(3)[0], street(3)[2]]), "one before it was lost"),
    "B frames": (
        lambda: sealed(encoded(shipped_frames(STREET, 8), gop=8, b_frames=2, preset="veryfast")),
        "B frames",
    ),
    "a bomb": (
        lambda: sealed(encoded([np.zeros((4096, 4096, 3), dtype=np.uint8)])),
        "4096 x 4096 pixels where 32 per side to 9437184 in all are accepted",
    ),
    "too many pixels": (
        lambda: sealed(encoded([np.zeros((2176, 4096, 3), dtype=np.uint8)]) + [b"x"] * 30),
        "31 packets, too many of a picture of 4096 x 2176 pixels",
    ),
    "too many bytes": (lambda: bytes(17 << 20), "at most 16777216 are accepted"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_video_is_refused_in_one_sentence_and_the_next_must_be_a_key(name: str) -> None:
    make, said = BAD[name]
    images = camera(street())
    encoder, decoder = ends()
    send(encoder, decoder, images[0])
    with pytest.raises(CodecError, match=rf"^Encoded tensor 'image' .*({said}).*; send a key\.$") as problem:
        decoder.image(tensor(make()), key=True)
    assert "\n" not in str(problem.value)
    assert decoder.held_bytes == 0
    after = encoder.carry(images[1], key=False)
    with pytest.raises(CodecError, match=r"(another checksum|follows no key).*; send a key\.$"):
        decoder.image(after, key=False)
    assert np.array_equal(decoder.image(encoder.carry(images[1], key=True), key=True), images[1].pixels)


def test_damage_and_loss_are_seen_by_the_checksum() -> None:
    images = camera(street(4))
    for victim in (0, 1):
        encoder, decoder = ends()
        whole = encoder.carry(images[0], key=True)
        if victim:
            decoder.image(whole, key=True)
            whole = encoder.carry(images[1], key=False)
        for at in range(0, whole.data.nbytes, max(1, whole.data.nbytes // 40)):
            data = bytearray(whole.data)
            data[at] ^= 4
            with pytest.raises(CodecError, match="another checksum"):
                decoder.image(dataclasses.replace(whole, data=memoryview(data)), key=not victim)
    encoder, decoder = ends()
    decoder.image(encoder.carry(images[0], key=True), key=True)
    encoder.carry(images[1], key=False)
    with pytest.raises(CodecError, match="one before it was lost"):
        decoder.image(encoder.carry(images[2], key=False), key=False)


def test_a_frame_that_takes_too_long_to_decode_is_refused() -> None:
    seconds = iter(range(100))
    decoder = AsReceivedDecoder(codec(), SPEC, clock=lambda: float(next(seconds)))
    encoder = codec().encoder(SPEC)
    images = camera(encoded(shipped_frames(STREET, 8), gop=8))
    with pytest.raises(CodecError, match="takes over 3 s to decode"):
        decoder.image(encoder.carry(images[-1], key=True), key=True)


def kept(keeper: ChainKeeper, size: PictureSize, packet: bytes, keys: Sequence[bool]) -> list[int]:
    """Return how many packets the chain of each picture has; 0 for none."""
    found: list[VideoChain | None] = [keeper.add(memoryview(packet), "h264", size, is_key=key) for key in keys]
    return [0 if one is None else len(one.packets) for one in found]


@pytest.mark.parametrize(
    ("size", "nbytes", "most"),
    [
        (PictureSize(640, 480), 10, chains.MOST_PACKETS),
        (PictureSize(1920, 1080), 10, chains.MOST_PIXELS // (1920 * 1080)),
        (PictureSize(640, 480), chains.MOST_BYTES // 5, 5),
    ],
)
def test_a_chain_is_bounded_and_begins_again_with_a_key(size: PictureSize, nbytes: int, most: int) -> None:
    keys = [True, *[False] * (most + 1), True, False]
    assert kept(ChainKeeper(), size, bytes(nbytes), keys) == [*range(1, most + 1), 0, 0, 1, 2]


def test_a_chain_is_dropped_with_a_missing_packet() -> None:
    keeper, size = ChainKeeper(), PictureSize(640, 480)
    assert kept(keeper, size, b"x", [True, False]) == [1, 2]
    keeper.drop()
    assert kept(keeper, size, b"x", [False, True]) == [0, 1]
