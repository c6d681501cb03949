# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Send the changes of a feature map: successive frames are nearly the same, and so are their maps.

Both ends hold the same map of small integers. The encoder compares each tensor with what is held, not with the last
tensor, so errors do not add up. A value changes only if it is further from its level than a dead zone; it is then sent
exactly. A key is the whole map as the codec without memory sends it, and sets the range.
"""

from __future__ import annotations

import dataclasses
import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs.affine import Affine
from neurosurgeon_ros.codecs.codec import CodecError, check_spec, elements, flat_bytes, to_memory_order
from neurosurgeon_ros.codecs.entropy.changes import DamagedChanges, decode_changes, encode_changes, max_bytes
from neurosurgeon_ros.codecs.entropy.layout import Indices, Layout, Levels
from neurosurgeon_ros.codecs.raw import Fp32
from neurosurgeon_ros.codecs.streams.stream import StreamCodec, StreamDecoder, StreamEncoder
from neurosurgeon_ros.codecs.tensor import EncodedTensor, TensorSpec
from neurosurgeon_ros.codecs.zstd import Zstd

#: A tensor that exceeds the range of the reference by more than this share of it is sent as a whole, on its own range.
MOST_BEYOND = 0.25
#: The same happens if the reference's levels are this many times as far apart as those of the tensor's own range.
COARSEST = 4.0
#: Smallest share of values near a cell that counts as changed. It limits the dead zone to twice that of busy cells.
_LEAST_BUSY = 0.002


class Delta(StreamCodec):
    """
    Changes of a map with 4 to 6 bits per value.

    :param bits: 4 to 6.
    :param dead_zone: distance from the held level, in steps, above which a value in a busy part of the map changes. At
        least 0.5. In a quiet part, where a change costs more bytes and is more often noise, it is up to twice as much.
    :param expected: typical bytes per value of the changes, used until the mean of sent data is known.
    :param expected_key: the same for a key.
    """

    def __init__(self, bits: int, dead_zone: float, *, expected: float, expected_key: float) -> None:
        self.name = f"int{bits}-delta-d{dead_zone:g}"
        self.bits = bits
        self.dead_zone = dead_zone
        self.whole = Zstd(Affine(bits), expected=expected_key)
        self._expected = expected

    def accepts(self, spec: TensorSpec) -> bool:
        """Accept float32."""
        return self.whole.accepts(spec)

    def expected_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size on the shipped video."""
        return max(1, round(self._expected * elements(spec)))

    def expected_key_bytes(self, spec: TensorSpec) -> int:
        """Return the typical size on the shipped video."""
        return self.whole.expected_bytes(spec)

    def max_bytes(self, spec: TensorSpec) -> int:
        """Return the size of changes that no model predicts, or of an incompressible key."""
        return max(self.whole.max_bytes(spec), max_bytes(_layout(spec, self.bits, 0)))

    def encoder(self, spec: TensorSpec) -> DeltaEncoder:
        """Return a new robot's end of a stream."""
        self._check(spec)
        return DeltaEncoder(self, spec)

    def decoder(self, spec: TensorSpec) -> DeltaDecoder:
        """Return a new edge's end of a stream."""
        self._check(spec)
        return DeltaDecoder(self, spec)

    def _check(self, spec: TensorSpec) -> None:
        if not self.accepts(spec):
            raise CodecError(
                f"Tensor {spec.name!r} is {spec.dtype} where {self.name} takes float32; choose a codec that accepts it."
            )


class _Reference:
    """
    The map that one end holds.

    :ivar scale: distance between two levels, as float32.
    :ivar layout: its zero is the level of 0.
    :ivar levels: shape (values,), place by place.
    """

    def __init__(self, encoded: EncodedTensor, values: NDArray[np.float32], spec: TensorSpec, bits: int) -> None:
        """Recover the levels from a decoded key, which has ``(level - zero) * scale`` in float32."""
        (scale,), (zero,) = encoded.scale, encoded.zero_point
        self.scale = np.float32(scale)
        self.layout = _layout(spec, bits, zero)
        self.levels: Levels = np.rint(values / self.scale + np.float32(zero)).astype(np.uint8)
        self._grid = zlib.crc32(self.scale.tobytes() + bytes([zero]))

    def checksum(self) -> int:
        """Return the CRC-32 of scale, zero point and levels."""
        return zlib.crc32(self.levels.data, self._grid)


class DeltaEncoder(StreamEncoder):
    """The robot's end of a stream of changes."""

    def __init__(self, codec: Delta, spec: TensorSpec) -> None:
        self.checksum = 0
        self._codec = codec
        self._spec = spec
        self._reference: _Reference | None = None
        # The levels as float32 save their conversion for each frame.
        self._held = self._scratch = np.empty(0, dtype=np.float32)

    @property
    def held_bytes(self) -> int:
        """Return the bytes of levels, of their float32 copy, and of the memory to compare them."""
        levels = 0 if self._reference is None else self._reference.levels.nbytes
        return levels + self._held.nbytes + self._scratch.nbytes

    def encode(self, tensor: torch.Tensor, *, key: bool) -> EncodedTensor:
        """
        Encode what changed.

        If the tensor's range is very different from that of the reference, it is sent as a whole even if it is no key.
        """
        values = _by_place(tensor, self._spec)
        reference = self._reference
        if reference is None and not key:
            raise CodecError(
                f"The first tensor {self._spec.name!r} of a stream is to be encoded as a change; encode it as a key."
            )
        low, high = (float(end) for end in torch.aminmax(torch.from_numpy(values))) if values.size else (0.0, 0.0)
        if not (math.isfinite(low) and math.isfinite(high) and values.size):
            return Fp32().encode(tensor, self._spec)
        if reference is None or key or not self._suits(reference, low, high):
            return self._encode_whole(tensor)
        changed, new = self._changes(reference, values)
        data = encode_changes(reference.levels, changed, new, reference.layout)
        reference.levels[changed] = new
        self._held[changed] = new
        self.checksum = reference.checksum()
        return EncodedTensor(self._spec.name, self._spec.dtype, self._spec.shape, self._codec.name, memoryview(data))

    def _encode_whole(self, tensor: torch.Tensor) -> EncodedTensor:
        whole, spec = self._codec.whole, self._spec
        encoded = whole.encode(tensor, spec)
        if encoded.codec != whole.name:
            return encoded
        values = _by_place(whole.decode(encoded, spec), spec)
        self._reference = _Reference(encoded, values, spec, self._codec.bits)
        self._held = self._reference.levels.astype(np.float32)
        self._scratch = np.empty_like(self._held)
        self.checksum = self._reference.checksum()
        return dataclasses.replace(encoded, codec=self._codec.name)

    def _suits(self, reference: _Reference, low: float, high: float) -> bool:
        """Return whether a tensor of this range is sent well on the levels of the reference."""
        most, zero, scale = (1 << self._codec.bits) - 1, reference.layout.zero, float(reference.scale)
        beyond = MOST_BEYOND * most * scale
        own_scale = max((max(high, 0.0) - min(low, 0.0)) / most, float(np.finfo(np.float32).tiny))
        return -zero * scale - beyond <= low and high <= (most - zero) * scale + beyond and scale < COARSEST * own_scale

    def _changes(self, reference: _Reference, values: NDArray[np.float32]) -> tuple[Indices, Levels]:
        """Return the positions and new levels of values outside of their dead zone."""
        layout, zone = reference.layout, self._codec.dead_zone
        away = self._scratch
        np.divide(values, reference.scale, out=away)
        away += np.float32(layout.zero)
        np.maximum(away, 0.0, out=away)
        np.minimum(away, (1 << layout.bits) - 1, out=away)
        away -= self._held
        outside = np.flatnonzero((away > zone) | (away < -zone))
        cells = outside // layout.cell
        step = away[outside]
        far = np.abs(step) > _zones(np.bincount(cells, minlength=layout.cells), layout.cell, zone)[cells]
        changed = outside[far]
        new = np.rint(step[far] + self._held[changed]).astype(np.uint8)
        differs = new != reference.levels[changed]
        return changed[differs], new[differs]


class DeltaDecoder(StreamDecoder):
    """The edge's end of a stream of changes."""

    def __init__(self, codec: Delta, spec: TensorSpec) -> None:
        self.checksum = 0
        self._codec = codec
        self._spec = spec
        self._reference: _Reference | None = None
        self._values = np.empty(0, dtype=np.float32)

    @property
    def held_bytes(self) -> int:
        """Return the bytes of levels and of the values that they stand for."""
        return self._values.nbytes + (0 if self._reference is None else self._reference.levels.nbytes)

    def decode(self, encoded: EncodedTensor, *, key: bool) -> torch.Tensor:
        """Decode a whole map, which has a scale, or changes, which have none."""
        reference, self._reference = self._reference, None
        check_spec(encoded, self._spec, self._codec.name)
        data = flat_bytes(encoded)
        if data.nbytes > self._codec.max_bytes(self._spec):
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has {data.nbytes} bytes where {self._codec.name} has at most "
                f"{self._codec.max_bytes(self._spec)}; it belongs to another model."
            )
        if len(encoded.scale) or len(encoded.zero_point):
            reference = self._decode_whole(encoded)
        elif key or reference is None:
            raise CodecError(
                f"Encoded tensor {encoded.name!r} has changes where {self._codec.name} needs a whole map; send a key."
            )
        else:
            self._decode_changes(data, reference)
        self._reference = reference
        self.checksum = reference.checksum()
        return _to_spec(self._values, self._spec)

    def _decode_whole(self, encoded: EncodedTensor) -> _Reference:
        whole = self._codec.whole
        decoded = whole.decode(dataclasses.replace(encoded, codec=whole.name), self._spec)
        self._values = _by_place(decoded, self._spec)
        return _Reference(encoded, self._values, self._spec, self._codec.bits)

    def _decode_changes(self, data: memoryview, reference: _Reference) -> None:
        layout = reference.layout
        try:
            changed, new = decode_changes(data, reference.levels, layout)
        except DamagedChanges as error:
            raise CodecError(
                f"Encoded tensor {self._spec.name!r} cannot be decoded as changes ({error}); send a key."
            ) from None
        reference.levels[changed] = new
        self._values[changed] = (new.astype(np.float32) - np.float32(layout.zero)) * reference.scale


def _zones(counts: Indices, cell: int, zone: float) -> NDArray[np.float64]:
    """
    Return the dead zone of each cell.

    A change is worth its bits if it reduces the squared error enough. A change takes about log2((1 - p) / p) bits more
    than none, and 3 for the new level, where p is the share of changes in the cell and beside it.
    """
    near = np.pad(counts, 1, mode="edge")
    busy = (near[:-2] + 2.0 * counts + near[2:]) / (4.0 * cell)
    odds = 1.0 / busy.clip(_LEAST_BUSY, 0.5) - 1.0
    zones: NDArray[np.float64] = zone * np.sqrt(1.0 + np.log2(odds) / 3.0)
    return zones


def _layout(spec: TensorSpec, bits: int, zero: int) -> Layout:
    channels = spec.shape[1] if len(spec.shape) == 4 else spec.shape[-1] if spec.shape else 1
    return Layout(elements(spec), max(1, channels), bits, zero)


def _by_place(tensor: torch.Tensor, spec: TensorSpec) -> NDArray[np.float32]:
    """Return flat values with the channels of a place together; a view if the tensor lies like this."""
    ordered = to_memory_order(tensor, spec)
    if len(spec.shape) == 4 and not spec.channels_last:
        ordered = ordered.permute(0, 2, 3, 1)
    flat: NDArray[np.float32] = ordered.reshape(-1).numpy()
    return flat


def _to_spec(values: NDArray[np.float32], spec: TensorSpec) -> torch.Tensor:
    """Return a copy with the shape and memory format of the specification."""
    held = torch.from_numpy(values)
    if len(spec.shape) != 4:
        return held.clone().reshape(spec.shape)
    n, c, h, w = spec.shape
    by_channel = held.view(n, h, w, c).permute(0, 3, 1, 2)
    return by_channel.clone() if spec.channels_last else by_channel.contiguous()
