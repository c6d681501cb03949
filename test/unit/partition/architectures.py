# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small networks with the structure of well-known ones. Each has a property that makes it hard to cut."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

Case = tuple[nn.Module, tuple[torch.Tensor, ...]]
ARCHITECTURES: dict[str, Callable[[], Case]] = {}


def architecture(make: Callable[[], Case]) -> Callable[[], Case]:
    """Register a network under its function's name, with weights from a fixed seed."""

    def seeded() -> Case:
        torch.manual_seed(0)
        network, inputs = make()
        return network.eval().requires_grad_(False), inputs

    ARCHITECTURES[make.__name__] = seeded
    return make


def photo(size: int = 32, channels: int = 3) -> torch.Tensor:
    return torch.rand(1, channels, size, size).contiguous(memory_format=torch.channels_last)


class DenseBlock(nn.Module):
    """A block in which each layer gets all earlier maps."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.BatchNorm2d(8 + 4 * i), nn.ReLU(inplace=True), nn.Conv2d(8 + 4 * i, 4, 3, padding=1))
            for i in range(5)
        )
        self.head = nn.Linear(28, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, 1)))
        return self.head(functional.adaptive_avg_pool2d(torch.cat(features, 1), 1).flatten(1))


@architecture
def densenet() -> Case:
    return DenseBlock(), (photo(),)


class Inception(nn.Module):
    """Parallel branches of different depth."""

    def __init__(self) -> None:
        super().__init__()
        self.branch1 = nn.Conv2d(3, 4, 1)
        self.branch3 = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1))
        self.branch5 = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(), nn.Conv2d(2, 4, 5, padding=2))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(3, 2, 1))
        self.last = nn.Conv2d(16, 4, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branches = [self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)]
        return self.last(torch.relu(torch.cat(branches, 1)))


@architecture
def inception() -> Case:
    return Inception(), (photo(),)


class UNet(nn.Module):
    """A network that uses every scale twice, far apart."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)])
        self.bottom = nn.Conv2d(12, 16, 3, padding=1)
        self.up = nn.ModuleList([nn.ConvTranspose2d(16, 12, 2, stride=2), nn.ConvTranspose2d(12, 8, 2, stride=2)])
        self.merge = nn.ModuleList([nn.Conv2d(24, 12, 3, padding=1), nn.Conv2d(16, 8, 3, padding=1)])
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for down in self.down:
            x = functional.relu(down(x))
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = functional.relu(merge(torch.cat([up(x), skip], dim=1)), inplace=True)
        return self.out(x)


@architecture
def unet() -> Case:
    return UNet(), (photo(),)


class Stereo(nn.Module):
    """Two inputs to one shared tower."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(6, 6, 3))
        self.join = nn.Conv2d(12, 3, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.join(torch.cat([self.tower(left), self.tower(right)], 1))


@architecture
def two_inputs() -> Case:
    return Stereo(), (photo(), photo())


class ManyHeads(nn.Module):
    """Outputs in a dict, with a tuple and a list inside."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(3, 8, 3, stride=2)
        self.mask = nn.Conv2d(8, 1, 1)
        self.boxes = nn.Conv2d(8, 4, 3)
        self.scores = nn.Conv2d(8, 2, 3)

    def forward(self, x: torch.Tensor) -> dict[str, object]:
        x = self.trunk(x)
        return {"mask": self.mask(x).sigmoid(), "found": (self.boxes(x), [self.scores(x), x]), "stride": 2}


@architecture
def dict_outputs() -> Case:
    return ManyHeads(), (photo(),)


class Attention(nn.Module):
    """Self-attention in single operations, with views, transposes and a bias table."""

    def __init__(self, width: int = 16, heads: int = 4) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * width, width))
        self.heads = heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5
        x = x + self.out((scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(b, n, c))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """Patches, positions from a parameter, one hand-written layer, and one of torch's own."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.position = nn.Parameter(torch.randn(1, 16, 16) * 0.1)
        self.layer1 = Attention()
        self.layer2 = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.layer2(self.layer1(x)).mean(1))


@architecture
def transformer() -> Case:
    return Transformer(), (photo(),)


class InPlace(nn.Module):
    """A network that writes into tensors in every way that leaves no view."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        y = self.conv2(x)
        y += x
        y = self.relu(y)
        y.mul_(0.5).add_(x, alpha=2.0)
        z = functional.leaky_relu(self.conv2(y), 0.2, inplace=True)
        torch.relu_(y)
        return y - z


@architecture
def in_place() -> Case:
    return InPlace(), (photo(),)


class Aliases(nn.Module):
    """A network that writes through views into tensors that are used later."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 4, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        half = x[:, :4]
        half.relu_()
        x[:, 6:] = 0.5
        flat = x.view(1, 8, -1)
        return self.conv2(x) * flat.mean()


@architecture
def aliases() -> Case:
    return Aliases(), (torch.rand(1, 3, 16, 16),)


class SqueezeExcitation(nn.Module):
    """A map that is scaled by a vector computed from it. The vector has 1 x 1 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.squeeze = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Conv2d(16, 4, 1), nn.Conv2d(4, 16, 1)
        self.conv2 = nn.Conv2d(16, 8, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.silu(self.conv1(x))
        x = x * torch.sigmoid(self.fc2(functional.relu(self.fc1(self.squeeze(x)))))
        return self.conv2(x)


@architecture
def squeeze_excitation() -> Case:
    return SqueezeExcitation(), (photo(),)


class DepthWise(nn.Module):
    """Depth-wise separable convolutions and a channel shuffle."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.depth = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.point = nn.Conv2d(8, 12, 1, groups=2)
        self.dilated = nn.Conv2d(12, 6, 3, padding=2, dilation=2, groups=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.hardswish(self.depth(self.stem(x)))
        x = self.point(x)
        b, c, h, w = x.size()
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).reshape(b, c, h, w)
        left, right = x.chunk(2, dim=1)
        return self.dilated(torch.cat([right, left], dim=1))


@architecture
def depthwise_separable() -> Case:
    return DepthWise(), (photo(),)


class Recurrent(nn.Module):
    """A recurrent head, unrolled over the columns of a map. All steps share the cell's weights."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=4)
        self.cell = nn.GRUCell(4 * 8, 12)
        self.register_buffer("start", torch.full((1, 12), 0.1))
        self.out = nn.Linear(12, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        columns = self.conv(x).permute(3, 0, 1, 2).flatten(2)
        state = self.start
        for step in range(4):
            state = self.cell(columns[step], state)
        return self.out(state)


@architecture
def recurrent() -> Case:
    return Recurrent(), (photo(),)


class Lstm(nn.Module):
    """torch's own LSTM, which returns a tensor and a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 8, num_layers=2, batch_first=True)
        self.out = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, (hidden, _) = self.lstm(x)
        return self.out(states[:, -1]) + hidden.sum()


@architecture
def lstm() -> Case:
    return Lstm(), (torch.rand(1, 7, 6),)


class Constants(nn.Module):
    """A network that normalises with buffers, computes coordinates from sizes, and embeds integers."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.rand(1, 3, 1, 1))
        self.embed = nn.Embedding(10, 4)
        self.conv = nn.Conv2d(5, 4, 3)

    def forward(self, image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        x = image.to(torch.float32) / 255 - self.mean
        h, w = x.shape[-2:]
        rows = torch.linspace(0, 1, h).view(1, 1, h, 1).expand(1, 1, h, w)
        columns = torch.arange(w, dtype=torch.float32).div(w).view(1, 1, 1, w).expand(1, 1, h, w)
        x = self.conv(torch.cat([x, rows, columns], dim=1))
        return x.mean((2, 3)) * self.embed(label).sum(1)


@architecture
def constants() -> Case:
    return Constants(), (
        torch.randint(0, 256, (1, 3, 12, 12), dtype=torch.uint8),
        torch.randint(0, 10, (1, 3)),
    )


class Residual(nn.Module):
    """ResNet's basic block twice, with one ReLU for both places."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(BasicBlock(8) for _ in range(2))
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        for block in self.blocks:
            x = block(x)
        return self.fc(torch.flatten(functional.adaptive_avg_pool2d(x, (1, 1)), 1))


class BasicBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += x
        return self.relu(out)


@architecture
def resnet() -> Case:
    return Residual(), (photo(),)
