# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The engine's properties other than invariant 1: what is rejected, what is counted, and what cannot be cut."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

from neurosurgeon_ros.partition import PartitionError, partition, profile
from neurosurgeon_ros.partition.faster import as_it_is
from neurosurgeon_ros.partition.trace import trace_with_export

from .networks import Skip, assert_halves_equal_the_whole, equal, image


def skip() -> nn.Module:
    torch.manual_seed(0)
    return Skip().eval().requires_grad_(False).to(memory_format=torch.channels_last)


class Chooser(nn.Module):
    """A network that takes another branch if the image is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.mean() > 0.5:
            return self.conv(x) * 2
        return self.conv(x)


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ReLU()
        self.inner = Chooser()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.first(x))


def test_control_flow_that_depends_on_values_leaves_two_points(capsys: pytest.CaptureFixture[str]) -> None:
    network = Nested().eval()
    x = torch.rand(1, 3, 8, 8)
    parts = partition(network, x)
    assert capsys.readouterr().err == ""
    assert [point.name for point in parts.points] == ["input", "on_device"]
    line = Chooser.forward.__code__.co_firstlineno + 1
    assert parts.obstacle is not None
    assert f"module 'inner', line {line} of {__file__}, depends on values (if x.mean() > 0.5:)" in parts.obstacle
    assert parts.points[0].features[0] == 4 * 27 * 36
    for bright in (x * 0.1, x * 0.1 + 0.9):
        assert torch.equal(parts.run_whole(bright), network(bright))
        assert torch.equal(parts.run_back((bright,), 0), network(bright))
    assert profile(parts, x, repeats=1, warmup=0).front_s.shape == (2,)


class Masked(nn.Module):
    """An attention with an optional mask, as transformers have it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 2, 5, stride=4), nn.Conv2d(2, 1, 1)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None, scale: float = 2.0) -> torch.Tensor:
        x = self.conv(x).flatten(2)
        x = nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask, scale=scale)
        return self.last(x[..., None])


def test_arguments_without_an_input_keep_their_defaults() -> None:
    network, x = Masked().eval(), torch.rand(1, 3, 32, 32)
    parts = partition(network, x, keep_all=True)
    assert parts.obstacle is None and len(parts.points) > 2
    assert_halves_equal_the_whole(parts, x)
    assert torch.allclose(parts.run_whole(x), network(x), atol=1e-6)


def test_networks_that_can_be_cut_have_no_obstacle() -> None:
    assert partition(skip(), image()).obstacle is None


@pytest.mark.parametrize("max_tensors", [1, 2])
def test_no_more_tensors_cross_than_allowed(max_tensors: int) -> None:
    parts = partition(skip(), image(), max_tensors=max_tensors, keep_all=True)
    assert max(len(point.tensors) for point in parts.points) == max_tensors
    assert_halves_equal_the_whole(parts, image())
    with pytest.raises(ValueError, match="max_tensors is 0"):
        partition(skip(), image(), max_tensors=0)


class ManyTaps(nn.Module):
    """Maps of six sizes that all reach the end, as the taps of a pyramid do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3 if index == 0 else 2, 2, 3, 2, 1) for index in range(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        taps = []
        for layer in self.layers:
            x = layer(x)
            taps.append(torch.sigmoid(x).flatten(1))
        return torch.cat(taps, 1)


def test_up_to_eight_tensors_cross_as_a_request_has_room_for() -> None:
    x = torch.rand(1, 3, 64, 64)
    parts = partition(ManyTaps().eval(), x, keep_all=True)
    assert max(len(point.tensors) for point in parts.points) == 6
    assert all(len(point.tensors) == 1 or point.bytes < parts.points[0].bytes for point in parts.points[1:-1])
    assert_halves_equal_the_whole(parts, x)


def test_modules_of_a_part_of_a_list_have_their_own_names() -> None:
    class PartOfList(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(4)))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.model[:-2]:
                x = layer(x)
            for layer in self.model[2:]:
                x = layer(x)
            return x if x.shape[0] == 1 and x.dim() == 4 else x.mean()

    x = torch.rand(1, 3, 8, 8)
    recorded = trace_with_export(PartOfList().eval(), (x,))
    labels = [node.meta["label"] for node in recorded.module.graph.nodes if node.op == "call_function"]
    assert labels == ["model.0", "model.1", "model.2", "model.3"]


def test_kept_points_carry_ever_less() -> None:
    every = partition(skip(), image(), keep_all=True)
    chosen = partition(skip(), image())
    sizes = [point.bytes for point in chosen.points]
    assert sizes == sorted(set(sizes), reverse=True)
    assert chosen.left_out == len(every.points) - len(chosen.points) > 0
    # A kept point is the first of all points with so few elements.
    for point in chosen.points[1:-1]:
        assert point.name == next(p.name for p in every.points if p.bytes <= point.bytes)


def test_weights_are_shared() -> None:
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval().requires_grad_(False)
    x = torch.rand(1, 4)
    parts = partition(network, x, keep_all=True)
    before = parts.run_whole(x)
    network[2].bias += 1
    assert torch.allclose(parts.run_whole(x), before + 1)
    assert_halves_equal_the_whole(parts, x)


def test_packed_convolutions_give_the_same() -> None:
    for channels_last in (True, False):
        form = torch.channels_last if channels_last else torch.contiguous_format
        network, x = skip().to(memory_format=form), image().contiguous(memory_format=form)
        parts = partition(network, x)
        kinds = [type(module).__name__ for module in parts.graph_module.modules()]
        assert kinds.count("PackedConv2d") == (3 if channels_last and torch.backends.mkldnn.is_available() else 0)
        for given, wanted in zip(parts.run_whole(x), network(x), strict=True):
            assert torch.allclose(given, wanted, atol=1e-5)
        assert type(network.conv1) is nn.Conv2d


def test_a_convolution_that_is_called_with_two_sizes_is_not_packed() -> None:
    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1)
            self.pool = nn.MaxPool2d(2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(self.pool(self.conv(x.float())))

    parts = partition(Pyramid().eval().to(memory_format=torch.channels_last), image(), keep_all=True)
    assert "PackedConv2d" not in [type(module).__name__ for module in parts.graph_module.modules()]
    assert_halves_equal_the_whole(parts, image())


def test_the_network_itself_is_left_as_it_was() -> None:
    network = skip()
    partition(network, image())
    assert network.relu1.inplace
    assert [name for name, _ in network.named_modules()] == [name for name, _ in skip().named_modules()]


def test_inputs_that_lie_otherwise_are_taken() -> None:
    parts = partition(skip(), image())
    whole = parts.run_whole(image())
    strange = image().contiguous()
    assert strange.stride() != image().stride()
    assert equal(parts.run_whole(strange), whole)
    expanded = image()[0].unsqueeze(0)
    assert equal(parts.run_whole(expanded), whole)


def test_what_does_not_belong_to_a_point_is_refused() -> None:
    parts = partition(skip(), image())
    with pytest.raises(PartitionError, match="There is no partition point 99; they go from 0 to"):
        parts.run_front(image(), 99)
    with pytest.raises(PartitionError, match="no partition point -1"):
        parts.run_back((), -1)
    with pytest.raises(PartitionError, match=r"'image' of partition point input was given as float32"):
        parts.run_whole(image().float())
    with pytest.raises(PartitionError, match=r"given as uint8 \(1, 3, 8, 8\); it is uint8 \(1, 3, 16, 16\)"):
        parts.run_whole(image(8))
    with pytest.raises(PartitionError, match="was given 2 tensors; it has 1"):
        parts.run_back((image(), image()), 0)


def test_an_example_that_does_not_fit_is_refused() -> None:
    with pytest.raises(PartitionError, match=r"Skip does not accept the example input uint8 \(1, 5, 16, 16\)"):
        partition(skip(), torch.zeros(1, 5, 16, 16, dtype=torch.uint8))
    with pytest.raises(PartitionError, match="Skip is in training mode; call its eval"):
        partition(Skip(), image())


def test_two_runs_at_once_do_not_mix() -> None:
    from concurrent.futures import ThreadPoolExecutor

    parts = partition(skip(), image(), keep_all=True)
    images = [image(seed=seed) for seed in range(8)]
    expected = [parts.run_whole(x) for x in images]
    last = len(parts.points) - 2

    def through(index: int) -> object:
        p = 1 + index % last
        return parts.run_back(parts.run_front(images[index], p)[p], p)

    with ThreadPoolExecutor(4) as pool:
        for given, wanted in zip(pool.map(through, range(8)), expected, strict=True):
            assert equal(given, wanted)


def vgg16() -> nn.Module:
    """Return the network of Simonyan and Zisserman 2015, configuration D."""
    layers: list[nn.Module] = []
    inputs = 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if width:
            layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU(inplace=True)]
            inputs = width
        else:
            layers.append(nn.MaxPool2d(2))
    classifier = [nn.Linear(25088, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)]
    return nn.Sequential(*layers, nn.Flatten(), *classifier)


def yolov2_tiny(head: int) -> nn.Module:
    """Return the network of Redmon and Farhadi 2017 in its tiny form."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    inputs = 3
    for index, width in enumerate((16, 32, 64, 128, 256, 512, 1024, 1024), start=1):
        layers[f"conv{index}"] = nn.Conv2d(inputs, width, 3, padding=1, bias=False)
        layers[f"act{index}"] = nn.LeakyReLU(0.1)
        inputs = width
        if index <= 5:
            layers[f"pool{index}"] = nn.MaxPool2d(2)
        elif index == 6:
            layers["pad6"] = nn.ZeroPad2d((0, 1, 0, 1))
            layers["pool6"] = nn.MaxPool2d(2, stride=1)
    layers["head"] = nn.Conv2d(inputs, head, 1)
    return nn.Sequential(layers)


@pytest.mark.parametrize(
    ("make", "size", "counts"),
    [
        (vgg16, 224, (15_346_630_656, 123_633_664, 13, 3)),
        (lambda: yolov2_tiny(425), 416, (3_537_437_696, 0, 9, 0)),
        (lambda: yolov2_tiny(125), 416, (3_485_520_896, 0, 9, 0)),
    ],
    ids=["vgg16", "yolov2_tiny_coco", "yolov2_tiny_voc"],
)
def test_published_counts_are_met_exactly(make: object, size: int, counts: tuple[int, ...]) -> None:
    with torch.device("meta"):
        network = make()  # type: ignore[operator]
    network = network.to_empty(device="cpu").eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.zero_()
    features = partition(network, torch.zeros(1, 3, size, size)).points[0].features
    assert (features[0], features[1], features[3], features[4]) == counts


def test_convolutions_of_every_kind_are_counted() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 16, 3, groups=4, dilation=2, stride=2),  # 16 x 2 x 9 on 6 x 6
        nn.ConvTranspose2d(16, 4, 4, stride=2, groups=2),  # 16 x 2 x 16 on 6 x 6 inputs
        nn.Flatten(2),
        nn.Conv1d(4, 2, 5),  # 2 x 4 x 5 on 192
    ).eval()
    features = partition(network, torch.rand(1, 8, 16, 16)).points[0].features
    assert features[0] == 16 * 2 * 9 * 36 + 16 * 2 * 16 * 36 + 2 * 4 * 5 * 192
    assert features[3] == 3


def test_activations_normalisations_and_products_are_counted() -> None:
    network = nn.Sequential(
        nn.BatchNorm2d(4),  # 4 x 6 x 6
        nn.SiLU(),  # the same
        nn.Conv2d(4, 4, 1),
        nn.GroupNorm(2, 4),
        nn.Flatten(2),
        nn.LayerNorm(36),
        nn.Linear(36, 10),  # 4 rows
        nn.Softmax(dim=-1),  # 4 x 10
    ).eval()
    features = partition(network, torch.rand(1, 4, 6, 6)).points[0].features
    assert features[:6] == (4 * 4 * 36, 4 * 36 * 10, 4 * 4 * 36 + 40, 1, 1, 5)


def test_attention_is_two_products_and_a_softmax() -> None:
    class Attention(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    features = partition(Attention().eval(), torch.rand(1, 2, 5, 8)).points[0].features
    # Two heads, five queries and keys with eight numbers each.
    assert features[:6] == (0, 2 * 2 * 5 * 5 * 8, 2 * 5 * 5, 0, 2, 1)


class Looped(nn.Module):
    """A network whose control flow depends on sizes, settings and loops, but not on values."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))
        self.twice = True

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for index, step in enumerate(self.steps):
            x = step(x) if index % 2 else step(x).relu()
            if x.shape[-1] > 8 and self.twice:
                x = nn.functional.avg_pool2d(x, 2)
        return x


def test_control_flow_that_depends_on_no_value_is_cut() -> None:
    parts = partition(Looped().eval(), torch.rand(1, 3, 32, 32), keep_all=True)
    assert parts.obstacle is None
    assert len(parts.points) == 2 + 3 + 2 + 2 - 1  # convolutions, ReLUs of the outer ones, two poolings
    assert parts.points[0].features[3] == 3
    assert_halves_equal_the_whole(parts, torch.rand(1, 3, 32, 32))


def test_what_the_back_end_can_make_again_is_not_sent_twice() -> None:
    class Reused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)
            self.pool = nn.MaxPool2d(2)
            self.rows = nn.Linear(8, 2)
            self.small = nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            x = self.conv(x)
            pooled, view = self.pool(x), x.flatten(2)
            return self.small(pooled), view.sum(2), self.rows(x)

    x = torch.rand(1, 3, 8, 8)
    parts = partition(Reused().eval(), x, keep_all=True)
    crossing = {point.name: [spec.shape for spec in point.tensors] for point in parts.points}
    assert crossing["pool"] == crossing["reshape"] == [(1, 4, 8, 8)]
    assert_halves_equal_the_whole(parts, x)


class Pooled(nn.Module):
    """Bytes to floats, then convolutions with each activation that oneDNN supports, pooled to half the size."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.activation = activation
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.activation(self.first(x.to(torch.float32).div(255.0))))
        return self.pool(nn.functional.relu(self.second(x)))


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.1), nn.ReLU6(), nn.Hardtanh(-0.2, 0.1), nn.SiLU()])
@pytest.mark.parametrize("side", [16, 18])
def test_faster_steps_change_no_bit_and_no_point(
    activation: nn.Module, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = Pooled(activation).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    x = torch.randint(0, 256, (1, 3, side, side), dtype=torch.uint8).to(memory_format=torch.channels_last)
    faster = partition(network, x, keep_all=True)
    assert_halves_equal_the_whole(faster, x)
    monkeypatch.setattr("neurosurgeon_ros.partition.network.exchange_slow_steps", lambda *_: None)
    monkeypatch.setattr("neurosurgeon_ros.partition.weight_packing._fuse", lambda *_: None)
    plain = partition(network, x, keep_all=True)
    assert faster.fingerprint == plain.fingerprint
    assert [point.name for point in faster.points] == [point.name for point in plain.points]
    assert torch.equal(faster.run_whole(x), plain.run_whole(x))


def test_activations_and_bytes_take_no_step_of_their_own_where_no_cut_is() -> None:
    network = Pooled(nn.LeakyReLU(0.1)).eval().requires_grad_(False).to(memory_format=torch.channels_last)
    x = torch.zeros(1, 3, 16, 16, dtype=torch.uint8).to(memory_format=torch.channels_last)
    targets = [node.target for node in partition(network, x).graph_module.graph.nodes]
    assert targets.count(as_it_is) == 3
