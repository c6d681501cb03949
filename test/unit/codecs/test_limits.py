# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Quantisation with the limits of a calibration."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosurgeon_ros.codecs import CODECS, CodecError, Limits, TensorSpec, decode, get_codec
from neurosurgeon_ros.codecs.limits import fit_limits

MAP = TensorSpec("pool4", (1, 8, 20, 20), "float32", channels_last=True)
CALIBRATED = [name for name in CODECS if get_codec(name).calibrated]


def stretched(seed: int) -> torch.Tensor:
    """Return values as after a leaky ReLU, one of which is an outlier."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.nn.functional.leaky_relu(torch.randn(MAP.shape, generator=generator), 0.1)
    values[0, 0, 3, 3] = 8.0
    return values.contiguous(memory_format=torch.channels_last)


def squared_error(name: str, tensor: torch.Tensor, limits: Limits | None = None) -> float:
    codec = get_codec(name) if limits is None else get_codec(name).within(limits, MAP)
    return float((decode(codec.encode(tensor, MAP), MAP) - tensor).square().mean())


def test_limits_by_hand() -> None:
    # The errors of the many small values weigh more than that of the single 10, so the upper limit lies below it.
    values = torch.tensor([10.0, *[1.0] * 100, *[0.5] * 100]).view(-1, 1)
    fitted = fit_limits(values, 15)
    assert fitted.low == (0.0,)
    assert 1.0 < fitted.high[0] < 10.0
    assert fit_limits(torch.tensor([[0.0], [15.0]]), 15) == Limits((0.0,), (15.0,))


@pytest.mark.parametrize("name", CALIBRATED)
def test_limits_of_other_tensors_lose_no_more_than_the_own_range(name: str) -> None:
    limits = get_codec(name).fit([stretched(seed) for seed in range(4)], MAP)
    assert limits is not None
    assert len(limits.low) == (8 if "c-" in name else 1)
    assert squared_error(name, stretched(9), limits) <= 1.01 * squared_error(name, stretched(9))


def test_few_bits_gain_by_limits() -> None:
    limits = get_codec("int4-cal-zstd").fit([stretched(seed) for seed in range(4)], MAP)
    assert limits is not None and limits.high[0] < 8.0
    assert squared_error("int4-cal-zstd", stretched(9), limits) < 0.7 * squared_error("int4-cal-zstd", stretched(9))


@pytest.mark.parametrize("name", CALIBRATED)
def test_who_decodes_need_not_know_the_limits(name: str) -> None:
    channels = 8 if "c-" in name else 1
    limits = Limits((-0.5,) * channels, (3.0,) * channels)
    tensor = torch.ones(MAP.shape).contiguous(memory_format=torch.channels_last)
    tensor[:, :, 0, 0], tensor[:, :, 1, 1] = -0.5, 3.001  # a little outside the limits
    encoded = get_codec(name).within(limits, MAP).encode(tensor, MAP)
    assert encoded.codec == name
    steps = 2 ** int(name[3]) - 1
    assert encoded.scale == pytest.approx((3.5 / steps,) * len(limits.low))
    assert (decode(encoded, MAP) - tensor).abs().max() < 0.51 * 3.5 / steps + 0.001


@pytest.mark.parametrize("factor", [0.0, 1e-30, 0.1, 100.0, 1e30])
def test_a_tensor_that_the_limits_do_not_suit_keeps_its_own_range(factor: float) -> None:
    tensor, limits = factor * stretched(0), Limits((-0.3,), (2.0,))
    own = get_codec("int5-cal-zstd").encode(tensor, MAP)
    kept = get_codec("int5-cal-zstd").within(limits, MAP).encode(tensor, MAP)
    assert (kept.scale, kept.zero_point, bytes(kept.data)) == (own.scale, own.zero_point, bytes(own.data))


@settings(deadline=None, max_examples=60)
@given(
    values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40),
    low=st.floats(-1e6, 0.0),
    high=st.floats(0.0, 1e6),
)
def test_limits_never_lose_much_more_than_the_own_range(values: list[float], low: float, high: float) -> None:
    spec = TensorSpec("x", (len(values), 1), "float32")
    tensor = torch.tensor(values).view(-1, 1)
    encoded = get_codec("int6-cal-zstd").within(Limits((low,), (high,)), spec).encode(tensor, spec)
    decoded = decode(encoded, spec).double()
    assert torch.isfinite(decoded).all()
    span = max(0.0, *values) - min(0.0, *values)
    # Rounding within the own range loses at most half a step. A mean over 40 values lets one of them lose more.
    assert float((decoded - tensor.double()).abs().max()) <= 4 * span / 63 + 1e-6 * span + 1e-30


def test_what_is_not_finite_or_empty_travels_as_before() -> None:
    codec = get_codec("int6-cal-zstd").within(Limits((-1.0,), (1.0,)), MAP)
    tensor = stretched(0)
    tensor[0, 0, 0, 0] = math.nan
    assert codec.encode(tensor, MAP).codec == "fp32"
    nothing = TensorSpec("nothing", (1, 0, 4), "float32")
    assert codec.encode(torch.empty(1, 0, 4), nothing).codec == "fp32"


def test_limits_whose_steps_are_infinite_change_nothing() -> None:
    codec = get_codec("int8-cal-zstd").within(Limits((-3.4e38,), (3.4e38,)), MAP)
    tensor = stretched(0)
    assert bytes(codec.encode(tensor, MAP).data) == bytes(get_codec("int8-cal-zstd").encode(tensor, MAP).data)


def test_limits_are_found_from_what_is_finite() -> None:
    codec, tensor = get_codec("int6-cal-zstd"), stretched(0)
    tensor[0, :, 5] = math.inf
    found = codec.fit([tensor, stretched(1)], MAP)
    assert found is not None and 0.0 < found.high[0] < 100.0
    assert codec.fit([torch.full(MAP.shape, math.nan)], MAP) is None
    assert codec.fit([], MAP) is None
    assert get_codec("int6-zstd").fit([stretched(0)], MAP) is None
    constant = codec.fit([torch.zeros(MAP.shape)], MAP)
    assert constant == Limits((0.0,), (0.0,))


def test_limits_that_are_none_are_refused() -> None:
    for low, high in (((), ()), ((0.0,), (1.0, 1.0)), ((0.5,), (1.0,)), ((-1.0,), (-0.5,)), ((-math.inf,), (1.0,))):
        with pytest.raises(ValueError, match="limit"):
            Limits(low, high)
    with pytest.raises(CodecError, match="was given 2 limits where int6-cal has 1; calibrate again"):
        get_codec("int6-cal-zstd").within(Limits((0.0, 0.0), (1.0, 1.0)), MAP)
