# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A small codec with memory for tests: 8-bit values, sent as their difference from the reference, with zstd."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import torch
import zstandard
from numpy.typing import NDArray

from neurosurgeon_ros import codecs
from neurosurgeon_ros.codecs import CameraImage, CodecError, EncodedTensor, StreamCodec, TensorSpec, get_codec
from neurosurgeon_ros.codecs.codec import check_spec, elements, flat_bytes, from_memory_order, to_memory_order
from neurosurgeon_ros.codecs.streams.stream import StreamDecoder, StreamEncoder
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.protocol.requests import Key, Kind, Request, stream_checksum

NAME, IMAGES = "test-difference", "test-image-difference"

#: Lowest value and step of the 8-bit values of a float tensor.
_RANGE = struct.Struct("<ff")

#: Height and width of an image.
_SIZE = struct.Struct("<II")

Codes = NDArray[np.uint8]


class Encoder(StreamEncoder):
    """
    The robot's end.

    :ivar broken: whether encoding fails.
    """

    broken = False

    def __init__(self, spec: TensorSpec) -> None:
        self.checksum = 0
        self._spec = spec
        self._codes: Codes | None = None
        self._range = (0.0, 1.0)

    @property
    def held_bytes(self) -> int:
        return 0 if self._codes is None else self._codes.nbytes

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        if Encoder.broken:
            raise RuntimeError("the encoder is broken")
        spec, before = self._spec, self._codes
        if not torch.isfinite(tensor).all():
            return get_codec("fp32").encode(tensor, spec)
        if before is None and not key:
            raise CodecError("the first frame of a stream must be a key")
        values = to_memory_order(tensor, spec).numpy().ravel()
        if key and values.dtype != np.uint8:
            low, high = float(values.min()), float(values.max())
            self._range = _RANGE.unpack(_RANGE.pack(low, max(high - low, 1e-6) / 255.0))
        low, step = self._range
        codes = values if values.dtype == np.uint8 else np.clip((values - low) / step, 0, 255).round().astype(np.uint8)
        sent = codes if key or before is None else codes - before
        self._codes = codes.copy()
        self.checksum = zlib.crc32(codes.tobytes())
        data = (_RANGE.pack(*self._range) if key else b"") + zstandard.compress(sent.tobytes(), 1)
        return EncodedTensor(spec.name, spec.dtype, spec.shape, NAME, memoryview(data))


class Decoder(StreamDecoder):
    """The edge's end."""

    def __init__(self, spec: TensorSpec) -> None:
        self.checksum = 0
        self._spec = spec
        self._codes: Codes | None = None
        self._range = (0.0, 1.0)

    @property
    def held_bytes(self) -> int:
        return 0 if self._codes is None else self._codes.nbytes

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        spec, size = self._spec, elements(self._spec)
        check_spec(encoded, spec, NAME)
        data = bytes(flat_bytes(encoded))
        try:
            if key:
                self._range, data = _RANGE.unpack_from(data), data[_RANGE.size :]
            sent = np.frombuffer(zstandard.ZstdDecompressor().decompress(data, max_output_size=size), np.uint8)
        except (zstandard.ZstdError, struct.error) as problem:
            raise CodecError(f"tensor {spec.name} cannot be decompressed: {problem}") from None
        if sent.size != size or (self._codes is None and not key):
            raise CodecError(f"tensor {spec.name} has {sent.size} values, expected {size} and a reference")
        codes: Codes = sent.copy() if key or self._codes is None else self._codes + sent
        self._codes = codes
        self.checksum = zlib.crc32(codes.tobytes())
        low, step = self._range
        values = codes.copy() if spec.dtype == "uint8" else (codes.astype(np.float32) * step + low).astype(np.float32)
        return from_memory_order(torch.from_numpy(values), spec)


class Difference(StreamCodec):
    """Makes the two ends."""

    name = NAME

    def accepts(self, spec: TensorSpec) -> bool:
        return spec.dtype in ("uint8", "float32")

    def expected_bytes(self, spec: TensorSpec) -> int:
        return elements(spec) // 4

    def expected_key_bytes(self, spec: TensorSpec) -> int:
        return elements(spec)

    def max_bytes(self, spec: TensorSpec) -> int:
        return 2 * elements(spec) + 1024

    def encoder(self, spec: TensorSpec) -> Encoder:
        return Encoder(spec)

    def decoder(self, spec: TensorSpec) -> Decoder:
        return Decoder(spec)


class ImageEncoder(StreamEncoder):
    """The robot's end of a stream of camera images: their difference, which must have the same size."""

    def __init__(self, spec: TensorSpec) -> None:
        self.checksum = 0
        self._spec = spec
        self._pixels: Codes | None = None

    @property
    def held_bytes(self) -> int:
        return 0 if self._pixels is None else self._pixels.nbytes

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        raise CodecError("the image cannot be recovered from a tensor")

    def continues(self, image: CameraImage) -> bool:
        return self._pixels is not None and self._pixels.shape == image.pixels.shape

    def carry(self, image: CameraImage, *, key: bool) -> EncodedTensor:
        pixels, before = image.pixels, self._pixels
        if not key and (before is None or before.shape != pixels.shape):
            raise CodecError("an image of another size must be a key")
        sent = pixels if key or before is None else pixels - before
        self._pixels = pixels.copy()
        self.checksum = zlib.crc32(self._pixels.data)
        data = _SIZE.pack(*pixels.shape[:2]) + zstandard.compress(sent.tobytes(), 1)
        return EncodedTensor(self._spec.name, self._spec.dtype, self._spec.shape, IMAGES, memoryview(data))


class ImageDecoder(StreamDecoder):
    """The edge's end."""

    def __init__(self, spec: TensorSpec) -> None:
        self.checksum = 0
        self._pixels: Codes | None = None

    @property
    def held_bytes(self) -> int:
        return 0 if self._pixels is None else self._pixels.nbytes

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        raise CodecError("this codec gives an image")

    def image(self, encoded: EncodedTensor, *, key: bool) -> Codes:
        data = bytes(flat_bytes(encoded))
        height, width = _SIZE.unpack_from(data)
        sent = np.frombuffer(zstandard.decompress(data[_SIZE.size :]), np.uint8).reshape(height, width, 3)
        if not key and (self._pixels is None or self._pixels.shape != sent.shape):
            raise CodecError("an image of another size came as a difference")
        self._pixels = sent.copy() if key or self._pixels is None else self._pixels + sent
        self.checksum = zlib.crc32(self._pixels.data)
        return self._pixels.copy()


class ImageDifference(Difference):
    """Makes the two ends of a stream of camera images."""

    name = IMAGES

    def accepts(self, spec: TensorSpec) -> bool:
        return len(spec.shape) == 4 and spec.shape[:2] == (1, 3)

    def max_bytes(self, spec: TensorSpec) -> int:
        return 1 << 24

    def encoder(self, spec: TensorSpec) -> ImageEncoder:  # type: ignore[override]
        return ImageEncoder(spec)

    def decoder(self, spec: TensorSpec) -> ImageDecoder:  # type: ignore[override]
        return ImageDecoder(spec)


class Speaker:
    """
    A robot's end of one stream, played by a test: encodes pictures, and makes requests of them.

    :param p: partition point.
    """

    def __init__(self, engine: Engine, *, robot: str = "robot", session: int = 7, p: int = 0) -> None:
        self._engine, self._robot, self._session, self._p = engine, robot, session, p
        (self._spec,) = engine.partitioned.points[p].tensors
        self._encoder = Difference().encoder(self._spec)
        self.newest = 0

    def frame(self, sequence: int, image: NDArray[np.uint8], *, key: bool = False, deadline_s: float = 0.0) -> Request:
        """Return the request for the stream's next frame."""
        x, fitted = self._engine.model.preprocess(image)
        encoded = self._encoder.encode(self._engine.partitioned.run_front(x, self._p)[self._p][0], key=key)
        reference, self.newest = 0 if key else self.newest, sequence
        return Request(
            key=Key(self._robot, self._session, sequence, Kind.FRAME),
            header="header",
            fingerprint=self._engine.fingerprint,
            partition_point=self._p,
            tensors=(encoded,),
            letterbox=fitted,
            confidence=0.0,
            iou=0.5,
            deadline_s=deadline_s,
            reference=reference,
            checksum=stream_checksum([self._encoder.checksum]),
        )

    def codes(self) -> Codes:
        """Return the 8-bit values that the other end must hold now."""
        assert self._encoder._codes is not None
        return self._encoder._codes


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Register the codecs for one test."""
    for codec in (Difference(), ImageDifference()):
        monkeypatch.setitem(codecs._STREAMS, codec.name, codec)
