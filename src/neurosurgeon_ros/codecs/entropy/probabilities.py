# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Probabilities for the range coder, made of integers only.

Both ends need exactly the same probabilities on any CPU. Each one is a whole number of 2^-20, computed with integers
from the tables in this file. As float64 numbers they are exact, and so are their sums and their products with the
coder's 24-bit constants, because none of them has more than 53 bits. So neither the order of operations nor a
mathematical library can change them.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from constriction import stream
from numpy.typing import NDArray

#: A probability is a whole number of 2^-20.
_TOTAL = 1 << 20

#: Shares of values that change, in 65536ths. Their logits are a quarter apart, and the middle is a half.
SHARES = (
    22, 28, 36, 47, 60, 77, 98, 126, 162, 208, 267, 342, 439, 562, 720, 922, 1179, 1506, 1921, 2446, 3108, 3938, 4971,
    6249, 7812, 9702, 11955, 14595, 17625, 21025, 24743, 28693, 32768, 36843, 40793, 44511, 47911, 50941, 53581, 55834,
    57724, 59287, 60565, 61598, 62428,
)  # fmt: skip

#: Weight of each 4-bit rank: two ranks halve it, and the last rank is for what does not occur.
WEIGHTS = np.array(
    (65536, 46341, 32768, 23170, 16384, 11585, 8192, 5793, 4096, 2896, 2048, 1448, 1024, 724, 512, 0), dtype=np.int64
)
_LAST = len(WEIGHTS) - 1

_BETWEEN = np.array([(one + other) // 2 for one, other in pairwise(SHARES)])
_BITS_SET = [bin(byte).count("1") for byte in range(256)]


def nearest_share(count: int, total: int) -> int:
    """Return the index of the share in :data:`SHARES` that is nearest to count / total."""
    return int(np.searchsorted(_BETWEEN, count * 65536 // total))


@cache
def eight_flags(share: int) -> stream.model.Categorical:
    """Return the probabilities of bytes of eight independent flags, each set with ``SHARES[share]``."""
    one, other = SHARES[share], 65536 - SHARES[share]
    return from_weights(np.array([(one**k * other ** (8 - k)) >> 96 for k in _BITS_SET], dtype=np.int64))


def from_weights(weights: NDArray[np.int64]) -> stream.model.Categorical:
    """Return probabilities in proportion to weights, see :func:`in_proportion`."""
    return stream.model.Categorical(in_proportion(weights), perfect=False)


def in_proportion(weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """
    Return probabilities in proportion to weights. None is 0, so the coder can encode every symbol.

    :param weights: from 0 to 2^32, shape (..., symbols) with 2 to 256 symbols.
    :returns: whole numbers of 2^-20 whose sum over the symbols is 1; same shape.
    """
    shares = weights * (_TOTAL - weights.shape[-1]) // weights.sum(axis=-1, keepdims=True).clip(1) + 1
    # The first of the largest takes what rounding down left over.
    largest = np.expand_dims(shares.argmax(axis=-1), -1)
    left = _TOTAL - shares.sum(axis=-1, keepdims=True)
    np.put_along_axis(shares, largest, np.take_along_axis(shares, largest, -1) + left, -1)
    found: NDArray[np.float64] = shares / _TOTAL
    return found


def ranks(counts: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the 4-bit ranks whose weights are nearest to the counts; only a count of 0 has the last one."""
    relative = counts / max(counts.max(), 1e-30)
    nearest = np.rint(-2.0 * np.log2(np.maximum(relative, 1e-9))).clip(0, _LAST - 1)
    found: NDArray[np.uint8] = np.where(counts > 0.0, nearest, _LAST).astype(np.uint8)
    return found


def pack_ranks(values: NDArray[np.uint8]) -> bytes:
    """Return two ranks in each byte, the first one in the high bits."""
    padded = np.append(values, np.uint8(0)) if values.size % 2 else values
    return (padded[0::2] << 4 | padded[1::2]).tobytes()


def unpack_ranks(data: memoryview, count: int) -> NDArray[np.uint8]:
    """Undo :func:`pack_ranks`."""
    packed = np.frombuffer(data, np.uint8)
    values: NDArray[np.uint8] = np.stack((packed >> 4, packed & 15), axis=1).reshape(-1)[:count]
    return values
