# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The partition engine on YOLOv3-tiny with its real weights and a real frame."""

from __future__ import annotations

import copy

import pytest
import torch
from pictures import video_frame

from neurosurgeon_ros.models import Model, load_model
from neurosurgeon_ros.partition import PartitionedNetwork, partition, profile

from .networks import assert_halves_equal_the_whole, equal


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("yolov3_tiny")


@pytest.fixture(scope="module")
def everywhere(model: Model) -> PartitionedNetwork:
    """Return the network cut at every possible place."""
    return partition(model.network, model.example_input, keep_all=True)


@pytest.fixture(scope="module")
def frame(model: Model) -> torch.Tensor:
    return model.preprocess(video_frame(120))[0]


def test_front_end_then_back_end_is_the_whole_network(
    everywhere: PartitionedNetwork, frame: torch.Tensor, one_thread: int
) -> None:
    assert len(everywhere.points) >= 30
    torch.set_num_threads(one_thread)  # the number that the nodes would use
    try:
        assert_halves_equal_the_whole(everywhere, frame)
    finally:
        torch.set_num_threads(1)


def test_the_whole_is_the_network_itself(model: Model, everywhere: PartitionedNetwork, frame: torch.Tensor) -> None:
    with torch.inference_mode():
        expected = model.network(frame)
    for given, wanted in zip(everywhere.run_whole(frame), expected, strict=True):
        assert (given - wanted).abs().max() <= 1e-4 * (wanted.max() - wanted.min())


def test_earlier_points_can_be_kept_for_samples(everywhere: PartitionedNetwork, frame: torch.Tensor) -> None:
    last = len(everywhere.points) - 1
    whole = everywhere.run_whole(frame)
    for p in (0, 9, last):
        kept = everywhere.run_front(frame, p, keep=range(0, last, 4))
        assert sorted(kept) == sorted({p, *(q for q in range(0, last, 4) if q < p)})
        for q, tensors in kept.items():
            assert equal(everywhere.run_back(tensors, q), whole)


def test_points_that_carry_no_less_are_left_out(model: Model, everywhere: PartitionedNetwork) -> None:
    network = partition(model.network, model.example_input)
    assert [point.name for point in network.points] == ["input", "pool2", "pool3", "pool4", "on_device"]
    assert [point.bytes for point in network.points] == [2_076_672, 1_384_448, 692_224, 346_112, 0]
    assert network.left_out == len(everywhere.points) - len(network.points)
    assert everywhere.left_out == 0


def test_the_map_that_both_heads_need_crosses_beside_the_rest(everywhere: PartitionedNetwork) -> None:
    by_name = {point.name: point for point in everywhere.points}
    # The edge computes the pooled map again from the map that is sent anyway.
    assert [spec.shape for spec in by_name["pool5"].tensors] == [(1, 256, 26, 26)]
    assert [spec.shape for spec in by_name["conv6.conv"].tensors] == [(1, 256, 26, 26), (1, 512, 13, 13)]
    assert [spec.shape for spec in by_name["coarse"].tensors] == [(1, 256, 26, 26), (1, 256, 13, 13), (1, 255, 13, 13)]
    assert all(spec.channels_last for point in everywhere.points for spec in point.tensors)


def test_features_count_the_back_end(model: Model) -> None:
    points = partition(model.network, model.example_input).points
    # By hand: kernel area x inputs x outputs x positions, over the thirteen convolutions.
    layers = [(9, 3, 16, 416), (9, 16, 32, 208), (9, 32, 64, 104), (9, 64, 128, 52), (9, 128, 256, 26)]
    layers += [(9, 256, 512, 13), (9, 512, 1024, 13), (1, 1024, 256, 13), (9, 256, 512, 13), (1, 512, 255, 13)]
    layers += [(1, 256, 128, 13), (9, 384, 256, 26), (1, 256, 255, 26)]
    macs = [area * inputs * outputs * side * side for area, inputs, outputs, side in layers]
    assert points[0].features[:2] == (sum(macs), 0)
    assert points[0].features[3:] == (13, 0, 11, 2_076_672)
    pool4 = points[3]
    assert (pool4.name, pool4.features[0], pool4.features[3]) == ("pool4", sum(macs[4:]), 9)
    # Activations after pool 4: elements of the seven maps that they write.
    assert pool4.features[2] == 26 * 26 * (256 + 256) + 13 * 13 * (512 + 1024 + 256 + 512 + 128)
    assert points[-1].features == (0,) * 7


def test_the_fingerprint_follows_the_weights(model: Model, everywhere: PartitionedNetwork) -> None:
    again = partition(copy.deepcopy(model.network), model.example_input, keep_all=True)
    assert again.fingerprint == everywhere.fingerprint
    assert len(again.fingerprint) == 64
    changed = copy.deepcopy(model.network)
    with torch.no_grad():
        changed.get_submodule("fine").bias[7] += 1e-3
    assert partition(changed, model.example_input, keep_all=True).fingerprint != everywhere.fingerprint
    contiguous = copy.deepcopy(model.network).to(memory_format=torch.contiguous_format)
    assert partition(contiguous, model.example_input.contiguous(), keep_all=True).fingerprint != everywhere.fingerprint


def test_a_profile_adds_up(everywhere: PartitionedNetwork, frame: torch.Tensor) -> None:
    measured = profile(everywhere, frame, repeats=3, warmup=1)
    assert measured.front_s.shape == measured.back_s.shape == (len(everywhere.points),)
    assert measured.front_s[0] == measured.back_s[-1] == 0
    assert (measured.front_s[1:] >= measured.front_s[:-1]).all()
    assert (measured.back_s[1:] <= measured.back_s[:-1]).all()
    assert measured.front_s[-1] > 0
    names = [step.name for step in measured.steps]
    assert [name for name in ("conv1", "pool4", "fine") if not any(n.startswith(name) for n in names)] == []
    assert sum(step.work.conv_macs for step in measured.steps) == everywhere.points[0].features[0]
    with pytest.raises(ValueError, match="0 repeats"):
        profile(everywhere, frame, repeats=0)
