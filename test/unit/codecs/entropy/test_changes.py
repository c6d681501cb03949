# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Entropy coding of changes: what comes back, exact probabilities, and untrusted data."""

from __future__ import annotations

import contextlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosurgeon_ros.codecs.entropy.changes import (
    HEADER,
    DamagedChanges,
    decode_changes,
    encode_changes,
    max_bytes,
)
from neurosurgeon_ros.codecs.entropy.layout import Indices, Layout, Levels
from neurosurgeon_ros.codecs.entropy.probabilities import SHARES, WEIGHTS, eight_flags, in_proportion, nearest_share

MAP = Layout(26 * 26 * 128, 128, 5, 3)
#: Damaged and random messages; `make fuzz` tries more.
MESSAGES = 1000


#: Five changes, see :func:`test_bytes_of_another_machine_give_the_same_changes`.
EXPECTED = "0fff3ff5fffffff0ffc2c20500000000f0ffffffffffff3ff0fffff068e77ddc5699afa6"


def map_of(layout: Layout, seed: int) -> Levels:
    random = np.random.default_rng(seed)
    levels = random.geometric(0.4, layout.values) + layout.zero - 2
    return levels.clip(0, 2**layout.bits - 1).astype(np.uint8)


def changes_of(held: Levels, layout: Layout, share: float, seed: int) -> tuple[Indices, Levels]:
    """Return changes of this share of the values."""
    random = np.random.default_rng(seed)
    changed = np.flatnonzero(random.random(layout.values) < share)
    new = random.integers(0, 2**layout.bits, changed.size).astype(np.uint8)
    differs = new != held[changed]
    return changed[differs], new[differs]


def after(held: Levels, changed: Indices, new: Levels) -> Levels:
    levels = held.copy()
    levels[changed] = new
    return levels


@settings(deadline=None, max_examples=150)
@given(
    values=st.integers(1, 3000),
    channels=st.integers(1, 600),
    bits=st.integers(4, 8),
    share=st.sampled_from([0.0, 0.001, 0.02, 0.3, 1.0]),
    seed=st.integers(0, 99),
)
def test_changes_come_back(values: int, channels: int, bits: int, share: float, seed: int) -> None:
    layout = Layout(values, channels, bits, seed % 2**bits)
    held = map_of(layout, seed)
    changed, new = changes_of(held, layout, share, seed)
    data = encode_changes(held, changed, new, layout)
    assert len(data) <= max_bytes(layout)
    decoded = decode_changes(memoryview(data), held, layout)
    assert decoded[0].size == changed.size
    assert np.array_equal(after(held, *decoded), after(held, changed, new))


def test_no_changes_take_little_more_than_the_header() -> None:
    held, none = map_of(MAP, 0), np.empty(0, dtype=np.intp)
    assert len(encode_changes(held, none, none.astype(np.uint8), MAP)) <= HEADER + 2


def test_the_size_is_near_the_entropy_of_independent_changes() -> None:
    held = map_of(MAP, 0)
    changed, new = changes_of(held, MAP, 0.05, 0)
    share = changed.size / MAP.values
    flags = -MAP.values * (share * np.log2(share) + (1 - share) * np.log2(1 - share)) / 8
    values = changed.size * np.log2(31) / 8
    assert len(encode_changes(held, changed, new, MAP)) < 1.02 * (flags + values) + 300


def test_probabilities_are_whole_numbers_of_a_power_of_two() -> None:
    random = np.random.default_rng(0)
    weights = WEIGHTS[random.integers(0, 16, (200, 64))] * WEIGHTS[random.integers(0, 16, (200, 64))]
    weights[:, 5] = 0
    whole = in_proportion(weights) * 2**20
    assert np.array_equal(whole, np.rint(whole))
    assert (whole >= 1).all() and (whole.sum(axis=1) == 2**20).all()
    assert in_proportion(np.array([3, 1, 0])).tolist() == [(3 * (2**20 - 3) // 4 + 2) / 2**20, 262144 / 2**20, 2**-20]


def test_shares_by_hand() -> None:
    logits = np.log(np.array(SHARES) / (65536 - np.array(SHARES)))
    assert np.allclose(np.diff(logits), 0.25, atol=0.03)
    assert SHARES[nearest_share(1, 2)] == 32768
    assert (nearest_share(0, 1), nearest_share(1, 1)) == (0, len(SHARES) - 1)
    assert eight_flags(3) is eight_flags(3)


def test_bytes_of_another_machine_give_the_same_changes() -> None:
    layout = Layout(256, 32, 4, 2)
    held = np.tile(np.arange(16, dtype=np.uint8) % 5, 16)
    changed = np.array([3, 40, 41, 42, 200])
    new = held[changed] + np.uint8(2)
    data = bytes.fromhex(EXPECTED)
    assert np.array_equal(after(held, *decode_changes(memoryview(data), held, layout)), after(held, changed, new))


@pytest.fixture(scope="module")
def sample() -> tuple[Layout, Levels, bytes]:
    layout = Layout(12 * 12 * 32, 32, 5, 3)
    held = map_of(layout, 1)
    changed, new = changes_of(held, layout, 0.05, 1)
    return layout, held, encode_changes(held, changed, new, layout)


def test_untrusted_data_never_does_more_than_raise(sample: tuple[Layout, Levels, bytes]) -> None:
    layout, held, good = sample
    random = np.random.default_rng(0)
    refused = 0
    for number in range(MESSAGES):
        data = bytearray(good) if number % 2 else bytearray(random.bytes(int(random.integers(0, 300))))
        if number % 4 == 1:
            for at in random.integers(0, len(data), random.integers(1, 5)):
                data[at] = random.integers(0, 256)
        elif number % 4 == 3:
            del data[int(random.integers(0, len(data))) :]
        try:
            changed, new = decode_changes(memoryview(data), held, layout)
        except DamagedChanges:
            refused += 1
        else:
            assert changed.size == new.size <= layout.values
            assert changed.size == 0 or (changed.min() >= 0 and changed.max() < layout.values)
            assert new.size == 0 or new.max() < 2**layout.bits
    assert refused > MESSAGES // 2


@pytest.mark.parametrize("fill", [0, 0x55, 0xFF])
def test_decoding_takes_little_memory(fill: int) -> None:
    held = map_of(MAP, 0)
    tracemalloc.start()
    with contextlib.suppress(DamagedChanges):
        decode_changes(memoryview(bytes([fill]) * (HEADER + 4 * 60_000)), held, MAP)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 16 * 4 * MAP.values


@pytest.mark.parametrize("length", [0, 1, HEADER - 1])
def test_data_without_all_parameters_is_refused(length: int) -> None:
    with pytest.raises(DamagedChanges, match=f"{length} bytes are fewer"):
        decode_changes(memoryview(bytes(length)), map_of(MAP, 0), MAP)


@pytest.mark.parametrize("more", [b"\0", b"\0" * 400, b"\x12\x34\x56\x78" * 3])
def test_bytes_after_the_last_change_are_refused(sample: tuple[Layout, Levels, bytes], more: bytes) -> None:
    layout, held, good = sample
    with pytest.raises(DamagedChanges, match="after the last change|the last byte is 0"):
        decode_changes(memoryview(good + more), held, layout)
