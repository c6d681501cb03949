# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Back-ends on another device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurosurgeon_ros.inference.device import CPU, CUDA, DeviceBackEnds, choose_device
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models import load_model
from neurosurgeon_ros.partition import partition

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@without_gpu
def test_a_gpu_that_is_not_there_is_said_before_anything_is_loaded() -> None:
    with pytest.raises(ValueError, match="'cuda' was asked for, but torch .* finds no GPU here") as caught:
        Engine.load("no_such_network", device=CUDA)
    assert "\n" not in str(caught.value)
    assert choose_device("auto") == torch.device(CPU)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="device 'tpu' is not known; choose one of auto, cpu, cuda"):
        choose_device("tpu")


def test_back_ends_elsewhere_are_those_of_the_cpu() -> None:
    model = load_model("yolov3_tiny", random_weights=True)
    here = partition(model.network, model.example_input)
    elsewhere = DeviceBackEnds(model, here, torch.device(CPU), keep_all=False, half=False)
    x, _ = model.preprocess(np.full((60, 80, 3), 99, dtype=np.uint8))
    whole = here.run_whole(x)
    for point in here.points[:-1]:
        outputs = elsewhere.run(here.run_front(x, point.index)[point.index], point.index)
        assert type(outputs) is type(whole)
        assert all(torch.equal(one, other) for one, other in zip(outputs, whole, strict=True)), point.name


def test_a_network_of_other_points_is_refused() -> None:
    model, other = (load_model(name, random_weights=True) for name in ("yolov3_tiny", "mobilenet_v2"))
    with pytest.raises(ValueError, match="has other partition points"):
        DeviceBackEnds(
            model, partition(other.network, other.example_input), torch.device(CPU), keep_all=False, half=False
        )


@needs_gpu
@pytest.mark.parametrize(("half", "share"), [(False, 1e-3), (True, 3e-2)])
@pytest.mark.parametrize("name", ["yolov3_tiny", "mobilenet_v2"])
def test_a_gpu_agrees_with_the_cpu(name: str, half: bool, share: float) -> None:
    engine = Engine.load(name, random_weights=True, device=CUDA, half=half)
    assert engine.device == CUDA
    engine.warm_up()
    x, _ = engine.model.preprocess(np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8))
    whole = engine.partitioned.run_whole(x)
    for point in engine.partitioned.points[:-1]:
        outputs = engine.run_back(engine.partitioned.run_front(x, point.index)[point.index], point.index)
        pairs = zip(
            *((value,) if isinstance(value, torch.Tensor) else value for value in (outputs, whole)), strict=True
        )
        for one, other in pairs:
            assert one.device.type == CPU
            assert one.dtype == torch.float32
            assert (one - other).abs().max() <= share * (other.max() - other.min()), point.name
