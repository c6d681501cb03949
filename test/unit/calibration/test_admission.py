# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import pytest
import torch
from robots import small_engine, small_model
from torch import nn

from neurosurgeon_ros.calibration.admission import ALL_ARMS, Admission, expand
from neurosurgeon_ros.calibration.arm_table import PSI, build_arm_table
from neurosurgeon_ros.calibration.fidelity import ArmFidelity, FidelityTable
from neurosurgeon_ros.codecs import CODECS, EncodedTensor, TensorSpec, get_codec
from neurosurgeon_ros.inference.arm import carriers_of
from neurosurgeon_ros.inference.engine import Engine


def calibration(**arms: tuple[float, float, float]) -> FidelityTable:
    """Return a calibration from fidelity, lower end and bytes. Double underscores stand for slashes."""
    known = {
        name.replace("__", "/").replace("_", "-"): ArmFidelity(fidelity, low, 1.0, sent)
        for name, (fidelity, low, sent) in arms.items()
    }
    return FidelityTable("small", small_engine().fingerprint, "f1", "pictures", 50, 50, known)


def admitted(admission: Admission, engine: Engine | None = None) -> set[str]:
    engine = engine or small_engine()
    return {arm.name for arm in admission.admit(engine, engine.arms(CODECS))}


def test_without_a_calibration_arms_lose_nothing_or_are_fp16() -> None:
    codecs = {name.partition("/")[2] for name in admitted(Admission())} - {""}
    assert {"fp32", "fp16", "uint8", "fp32-zstd", "webp-lossless"} <= codecs
    assert {codec for codec in codecs if not get_codec(codec).lossless} == {"fp16", "fp16-zstd"}


def test_an_arm_is_in_when_the_lower_end_of_its_interval_is_near_enough() -> None:
    known = calibration(pool1__int8=(0.96, 0.93, 999.0), pool1__int4=(0.96, 0.9299, 9.0), pool1__fp16=(0.5, 0.4, 9.0))
    names = admitted(Admission(min_fidelity=0.95, fidelity=known))
    assert "pool1/int8" in names
    assert not {"pool1/int4", "pool1/fp16", "conv2/int8"} & names
    assert "pool1/int4" in admitted(Admission(min_fidelity=0.9, fidelity=known))


def test_where_no_agreement_is_asked_for_every_arm_is_in() -> None:
    assert admitted(ALL_ARMS) == {arm.name for arm in small_engine().arms(CODECS)}


def test_the_table_starts_with_what_was_measured() -> None:
    known = calibration(pool1__int8_zstd=(0.96, 0.95, 77.0))
    table = build_arm_table(
        small_engine(), ("int8-zstd", "uint8"), admission=Admission(fidelity=known), repeats=1, keep_all=True
    )
    arm = table.index("pool1/int8-zstd")
    assert table.features[arm, PSI] == 77.0
    assert table.fidelity[arm] == 0.96
    assert table.fidelity[table.index("input/uint8")] == 1.0
    assert "conv2/int8-zstd" in {arm.name for arm in table.left_out}
    assert table.allowed.all()


def test_images_that_must_not_leave_the_robot_do_not() -> None:
    assert not [name for name in admitted(Admission(allow_raw_images=False)) if name.startswith("input/")]
    names = admitted(Admission(min_partition_point="conv2"))
    assert names and {name.partition("/")[0] for name in names} == {"conv2", "on_device"}
    with pytest.raises(
        ValueError, match="small has no partition point 'pool9'; choose one of input, pool1, conv2, on_"
    ):
        admitted(Admission(min_partition_point="pool9"))
    assert admitted(Admission(min_partition_point="on_device")) == {"on_device"}


class Skipped(nn.Module):
    """Uses the image itself again at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(4)
        self.conv = nn.Conv2d(3, 3, 1)
        self.up = nn.Upsample(scale_factor=4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixels = image.float() / 255
        return self.up(self.conv(self.pool(pixels))) * pixels


def test_an_image_that_a_skip_connection_carries_is_an_image_too() -> None:
    network = Skipped().eval().requires_grad_(False)
    engine = Engine(dataclasses.replace(small_model(), network=network), keep_all=True)
    assert len(engine.partitioned.points) > 2
    assert admitted(Admission(allow_raw_images=False, min_fidelity=0.0), engine) == {"on_device"}


def test_auto_stands_for_every_codec() -> None:
    assert expand(("auto",)) == expand(("fp32", "auto")) == CODECS
    assert expand(("fp32",)) == ("fp32",)


def spec(dtype: str, *shape: int) -> TensorSpec:
    return TensorSpec(f"{dtype} {shape}", shape, dtype)


def test_tensors_that_a_codec_does_not_accept_travel_as_they_are() -> None:
    specs = (spec("float32", 1, 8, 16, 16), spec("int64", 1, 4), spec("uint8", 5), spec("float32", 1, 8))
    assert [codec.name for codec in carriers_of(get_codec("int8-zstd"), specs)] == [
        "int8-zstd",
        "raw",
        "uint8",
        "int8-zstd",
    ]
    assert carriers_of(get_codec("int8"), (spec("int64", 4),)) == ()
    assert carriers_of(get_codec("fp32"), (spec("float32", 4), spec("complex64", 4))) == ()


class Mask(nn.Module):
    """A float map and a mask of booleans cross the cut after the pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(4)
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        features = self.conv1(self.pool(image.float() / 255))
        mask = features > 0.1
        return self.conv2(features.clamp(-3, 3)) * mask


def test_a_point_with_tensors_of_several_types_has_arms_that_go_through() -> None:
    network = Mask().eval().requires_grad_(False)
    engine = Engine(dataclasses.replace(small_model(), network=network), keep_all=True)
    mixed = [
        point for point in engine.partitioned.points if {spec.dtype for spec in point.tensors} >= {"float32", "bool"}
    ]
    assert mixed
    x = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    point = mixed[0]
    arms = [arm for arm in engine.arms(("fp32", "raw", "int8", "fp16")) if arm.point == point.index]
    # raw for the mask and fp32 for the map are the same as the arm fp32.
    assert [arm.codec for arm in arms] == ["fp32", "int8", "fp16"]
    assert [arm.is_lossless for arm in arms] == [True, False, False]
    tensors = engine.partitioned.run_front(x, point.index)[point.index]
    whole = engine.partitioned.run_whole(x)
    for arm in arms:
        encoded: tuple[EncodedTensor, ...] = engine.encode(arm, tensors)
        assert engine.expected_bytes(arm) >= sum(one.data.nbytes for one in encoded)
        outputs = engine.partitioned.run_back(engine.decode(point.index, encoded), point.index)
        assert torch.equal(outputs, whole) if arm.is_lossless else torch.allclose(outputs, whole, atol=0.1)


def test_what_cannot_be_quantised_travels_as_it_is_and_is_counted() -> None:
    engine = Engine(small_model())
    arm = next(arm for arm in engine.arms(("int8-zstd",)) if arm.codec)
    tensors = engine.partitioned.run_front(engine.model.example_input, arm.point)[arm.point]
    assert [one.codec for one in engine.encode(arm, tensors)] == ["int8-zstd"]
    assert engine.unquantised == 0
    spoilt = tensors[0].clone()
    spoilt[0, 0, 0, 0] = torch.nan
    encoded = engine.encode(arm, (spoilt,))
    assert [one.codec for one in encoded] == ["fp32"]
    assert engine.unquantised == 1
    (arrived,) = engine.decode(arm.point, encoded)
    assert torch.equal(arrived.isnan(), spoilt.isnan()) and arrived.isnan().any()
