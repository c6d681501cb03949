# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Programs that branch, loop and write give what torch.jit gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torchscript_files import SCRIPTED, TRACED, largest_difference, save

from neurosurgeon_ros.models.torchscript_files import load_torchscript


class Writes(nn.Module):
    """Writes to views, as the decoding of older detectors does, and reads what other views share."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        y = image * 2
        lower = y[..., 4:]
        y[..., :2] = y[..., :2] * 3 + 1
        y[:, 1].mul_(0.5)
        lower += 1
        rows = y.view(1, 3, -1)
        rows[:, 0] = 7.0
        z = torch.zeros_like(y)
        z[:, :, ::2] = y[:, :, ::2]
        functional.relu_(z)
        return torch.cat((y, z, lower.repeat(1, 1, 1, 1)[..., :1].expand(-1, -1, -1, 8)), 1)


class Masked(nn.Module):
    """Makes a constant by writing, as the masks of Swin's windows are made."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(8, 8)
        for number, rows in enumerate((slice(0, 3), slice(3, 8))):
            mask[rows] = number
        return image.masked_fill(mask == 0, -100.0).clamp(-1, 1).softmax(-1)


class Shapes(nn.Module):
    """Computes sizes from sizes."""

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        n, c, h, w = image.shape
        x = image.view(n, c, h // 2, 2, w // 2, 2).permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        x = functional.interpolate(x, size=(int(h * 1.5), w), mode="bilinear", align_corners=False)
        grid = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")).float()
        return x, functional.pad(image + grid.sum(0), (1, 2, 3, 4)).double().float()


class Layers(nn.Module):
    """Modules of torch with a form of their own in programs."""

    def __init__(self) -> None:
        super().__init__()
        self.same = nn.Conv2d(3, 4, 3, padding="same")
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2)
        self.acts = nn.ModuleList([nn.LeakyReLU(0.2), nn.ReLU6(), nn.Hardtanh(-2, 2), nn.PReLU(4), nn.ELU()])
        self.norms = nn.ModuleList([nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.BatchNorm2d(4)])
        self.pools = nn.ModuleList([nn.AvgPool2d(3, 2, 1), nn.AdaptiveMaxPool2d(4), nn.Dropout(0.5)])
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.up(self.same(image))
        for part in (*self.acts, *self.norms, *self.pools):
            x = part(x)
        flat = x.flatten(2).transpose(1, 2)
        return self.attention(flat, flat, flat)[0]


@pytest.mark.parametrize("network", [Writes, Masked, Shapes, Layers])
def test_a_traced_program_gives_what_torch_gives(tmp_path: Path, network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    example, path = torch.randn(1, 3, 8, 8), tmp_path / "program.pt"
    program = save(network().eval(), example, path, TRACED)
    mine, _ = load_torchscript(path)
    other = torch.randn(1, 3, 8, 8)
    assert largest_difference(mine(other), program(other)) <= 1e-4
    assert largest_difference(mine(other), program(other)) <= 1e-4  # a second run finds nothing written


class Branches(nn.Module):
    """Branches and loops over sizes and settings, with lists, dicts and functions."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)])
        self.sizes, self.scale = [1, 2], 0.5

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        kept: list[torch.Tensor] = []
        x = image
        for index, layer in enumerate(self.layers):
            x = functional.relu(layer(x)) if index % 2 == 0 else torch.sigmoid(layer(x))
            kept.append(x)
        for size in self.sizes:
            if size > 1 and not self.training:
                kept.append(functional.adaptive_avg_pool2d(x, size).expand(1, 3, 2, 2).repeat(1, 1, 4, 4))
        count = 0
        while count < image.shape[2] // 4:
            count += 1
        found = {"all": torch.cat(kept, 1) * self.scale}
        found["part"] = kept[-1][:, :, :count]
        assert len(kept) == 3, "never"
        return found


def test_a_scripted_program_gives_what_torch_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    example, path = torch.randn(1, 3, 8, 8), tmp_path / "program.pt"
    program = save(Branches().eval(), example, path, SCRIPTED)
    mine, _ = load_torchscript(path, (8, 8))
    assert set(mine(example)) == {"all", "part"}
    assert largest_difference(mine(example), program(example)) <= 1e-5
