# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Small networks with the parts of those that users bring: YOLO, DETR, ViT, DINOv2, Swin, ConvNeXt, U-Net and more."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

#: Height and width of the input.
SIZE = 64


class ConvAct(nn.Module):
    """Convolution, batch norm and SiLU, as in Ultralytics' networks."""

    def __init__(self, given: int, made: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, made, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(made)
        self.act = nn.SiLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.bn(self.conv(x)))


class C2f(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.cv1, self.cv2 = ConvAct(channels, channels), ConvAct(3 * half, channels)
        self.m = nn.ModuleList([ConvAct(half, half, 3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = list(self.cv1(x).chunk(2, 1))
        parts.extend(part(parts[-1]) for part in self.m)
        return self.cv2(torch.cat(parts, 1))


class Sppf(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1, self.cv2 = ConvAct(channels, channels // 2), ConvAct(2 * channels, channels)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.cv1(x)
        second = self.m(first)
        third = self.m(second)
        return self.cv2(torch.cat((first, second, third, self.m(third)), 1))


class AreaAttention(nn.Module):
    """Attention of YOLO11 and YOLO26: convolutions make queries, keys and values."""

    def __init__(self, channels: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.key = heads, channels // heads // 2
        self.qkv = nn.Conv2d(channels, 2 * channels, 1)
        self.proj, self.pe = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        qkv = self.qkv(x).view(n, self.heads, 2 * self.key + c // self.heads, h * w)
        q, k, v = qkv.split([self.key, self.key, c // self.heads], dim=2)
        shares = ((q.transpose(-2, -1) @ k) * self.key**-0.5).softmax(dim=-1)
        mixed = (v @ shares.transpose(-2, -1)).view(n, c, h, w) + self.pe(v.reshape(n, c, h, w))
        return x + self.proj(mixed)


class Yolo(nn.Module):
    """Backbone, neck and head of YOLOv8 with two strides; with the attention of YOLO11."""

    def __init__(self, classes: int = 80, bins: int = 4) -> None:
        super().__init__()
        self.classes, self.bins = classes, bins
        self.model = nn.ModuleList(
            [
                ConvAct(3, 8, 3, 2),
                ConvAct(8, 16, 3, 4),
                C2f(16),
                ConvAct(16, 32, 3, 2),
                Sppf(32),
                AreaAttention(32),
                nn.Upsample(scale_factor=2),
                ConvAct(48, 16),
            ]
        )
        self.cv2 = nn.ModuleList(nn.Sequential(ConvAct(c, 8, 3), nn.Conv2d(8, 4 * bins, 1)) for c in (16, 32))
        self.cv3 = nn.ModuleList(nn.Sequential(ConvAct(c, 8, 3), nn.Conv2d(8, classes, 1)) for c in (16, 32))
        self.dfl = nn.Conv2d(bins, 1, 1, bias=False)
        points = [
            torch.stack(torch.meshgrid(torch.arange(s) + 0.5, torch.arange(s) + 0.5, indexing="xy"), 0).flatten(1)
            for s in (SIZE // 8, SIZE // 16)
        ]
        self.register_buffer("anchors", torch.cat(points, 1))
        self.register_buffer(
            "strides", torch.cat([torch.full((1, p.shape[1]), 8.0 * 2**i) for i, p in enumerate(points)], 1)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = self.model[2](self.model[1](self.model[0](image)))
        second = self.model[5](self.model[4](self.model[3](first)))
        maps = self.model[7](torch.cat((self.model[6](second), first), 1)), second
        boxes = torch.cat([head(x).view(1, 4 * self.bins, -1) for head, x in zip(self.cv2, maps, strict=True)], 2)
        logits = torch.cat([head(x).view(1, self.classes, -1) for head, x in zip(self.cv3, maps, strict=True)], 2)
        spread = boxes.view(1, 4, self.bins, -1).transpose(2, 1).softmax(1)
        low, high = self.dfl(spread).view(1, 4, -1).chunk(2, 1)
        low, high = self.anchors - low, self.anchors + high
        found = torch.cat(((low + high) / 2, high - low), 1) * self.strides
        return torch.cat((found, logits.sigmoid()), 1)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = nn.Linear(width, width), nn.Linear(width, width), nn.Linear(width, width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            part(y).reshape(1, -1, self.heads, x.shape[2] // self.heads).transpose(1, 2)
            for part, y in ((self.q, x), (self.k, memory), (self.v, memory))
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.proj(mixed.transpose(1, 2).reshape(1, -1, x.shape[2]))


class Layer(nn.Module):
    """Layer of a transformer; with attention to a memory, as in a decoder, if there is one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor, memory: torch.Tensor | None = None) -> torch.Tensor:
        given = self.norm1(x)
        x = x + self.attn(given, given if memory is None else memory)
        return x + self.mlp(self.norm2(x))


class Detr(nn.Module):
    def __init__(self, classes: int = 91, queries: int = 100, width: int = 32) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 16, 7, 4, 3), nn.ReLU(), nn.Conv2d(16, width, 3, 4, 1), nn.ReLU())
        self.place = nn.Parameter(torch.randn(1, (SIZE // 16) ** 2, width) * 0.1)
        self.queries = nn.Parameter(torch.randn(1, queries, width))
        self.encoder, self.decoder = Layer(width), Layer(width)
        self.class_embed, self.bbox_embed = nn.Linear(width, classes + 1), nn.Linear(width, 4)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        memory = self.encoder(self.backbone(image).flatten(2).transpose(1, 2) + self.place)
        found = self.decoder(self.queries, memory)
        return {"pred_logits": self.class_embed(found), "pred_boxes": self.bbox_embed(found).sigmoid()}


class Vit(nn.Module):
    def __init__(self, width: int = 32, classes: int = 10) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.place = nn.Parameter(torch.randn(1, 1 + (SIZE // 16) ** 2, width) * 0.1)
        self.blocks = nn.ModuleList([Layer(width), Layer(width)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patch(image).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + self.place
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class DinoBlock(nn.Module):
    """Block of DINOv2: queries, keys and values at once, SwiGLU, and a scale for each channel of both branches."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale1, self.scale2 = (nn.Parameter(torch.rand(width)) for _ in range(2))
        self.w12, self.w3 = nn.Linear(width, 4 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, count, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(*qkv.unbind(0)).transpose(1, 2).reshape(n, count, width)
        x = x + self.proj(mixed) * self.scale1
        gate, value = self.w12(self.norm2(x)).chunk(2, dim=-1)
        return x + self.w3(functional.silu(gate) * value) * self.scale2


class Dino(nn.Module):
    """DINOv2 with registers; its places were learnt for larger images, and both kinds of tokens give the scores."""

    def __init__(self, width: int = 32, classes: int = 10, side: int = 6, registers: int = 2) -> None:
        super().__init__()
        self.side, self.registers = side, registers
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.register = nn.Parameter(torch.randn(1, registers, width))
        self.place = nn.Parameter(torch.randn(1, 1 + side**2, width) * 0.1)
        self.blocks = nn.ModuleList([DinoBlock(width), DinoBlock(width)])
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(2 * width, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patch(image).flatten(2).transpose(1, 2)
        grid = self.place[:, 1:].reshape(1, self.side, self.side, -1).permute(0, 3, 1, 2)
        grid = functional.interpolate(grid, size=(SIZE // 16, SIZE // 16), mode="bicubic", align_corners=False)
        places = torch.cat((self.place[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)), 1)
        x = torch.cat((self.token, x), 1) + places
        x = torch.cat((x[:, :1], self.register, x[:, 1:]), 1)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        return self.head(torch.cat((x[:, 0], x[:, 1 + self.registers :].mean(1)), 1))


class SwinBlock(nn.Module):
    """Attention within shifted windows of 4 x 4 places, with a bias for each distance."""

    def __init__(self, width: int, shift: int, heads: int = 2, side: int = 4) -> None:
        super().__init__()
        self.shift, self.heads, self.side = shift, heads, side
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.bias = nn.Parameter(torch.randn((2 * side - 1) ** 2, heads))
        places = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).flatten(1)
        apart = places[:, :, None] - places[:, None] + side - 1
        self.register_buffer("apart", apart[0] * (2 * side - 1) + apart[1])
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, h, w, c = x.shape
        s, d = self.side, c // self.heads
        rolled = torch.roll(self.norm1(x), (-self.shift, -self.shift), (1, 2))
        windows = rolled.view(n, h // s, s, w // s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        q, k, v = self.qkv(windows).reshape(-1, s * s, 3, self.heads, d).permute(2, 0, 3, 1, 4).unbind(0)
        bias = self.bias[self.apart.view(-1)].view(s * s, s * s, -1).permute(2, 0, 1)
        mixed = ((q * d**-0.5) @ k.transpose(-2, -1) + bias).softmax(-1) @ v
        joined = self.proj(mixed.transpose(1, 2).reshape(-1, s * s, c))
        back = joined.view(n, h // s, w // s, s, s, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        x = x + torch.roll(back, (self.shift, self.shift), (1, 2))
        return x + self.mlp(self.norm2(x))


class Swin(nn.Module):
    def __init__(self, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 4, 4)
        self.blocks = nn.ModuleList([SwinBlock(width, 0), SwinBlock(width, 2)])
        self.merge, self.last = nn.Linear(4 * width, 2 * width, bias=False), SwinBlock(2 * width, 0)
        self.head = nn.Linear(2 * width, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patch(image).permute(0, 2, 3, 1)
        for block in self.blocks:
            x = block(x)
        corners = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]
        x = self.last(self.merge(torch.cat(corners, -1)))
        return self.head(x.mean((1, 2)))


class ConvNext(nn.Module):
    def __init__(self, width: int = 16, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.depth = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.grow, self.act, self.shrink = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.full((width,), 0.5))
        self.head = nn.Linear(width, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.stem(image)
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        y = self.gamma * self.shrink(self.act(self.grow(y)))
        return self.head((x + y.permute(0, 3, 1, 2)).mean((-2, -1)))


class Efficient(nn.Module):
    """Depth-wise convolution with squeeze and excitation, as in EfficientNet, MobileNetV3 and RepViT."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.Hardswish())
        self.depth = nn.Sequential(nn.Conv2d(16, 16, 5, 2, 2, groups=16), nn.BatchNorm2d(16), nn.ReLU6())
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 4, 1), nn.ReLU(), nn.Conv2d(4, 16, 1))
        self.gate, self.pool = nn.Hardsigmoid(), nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(16, classes)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.depth(self.stem(image))
        x = x * self.gate(self.squeeze(x))
        return self.head(self.pool(x).flatten(1))


class UNet(nn.Module):
    """With transposed convolution and bilinear resizing; a score for each class at the end."""

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.LeakyReLU(0.1))
        self.pool = nn.MaxPool2d(2)
        self.deep = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU())
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.scores = nn.Conv2d(16, classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        first = self.down(image)
        both = torch.cat((first, self.up(self.deep(self.pool(first)))), 1)
        larger = functional.interpolate(self.scores(both), scale_factor=2, mode="bilinear", align_corners=False)
        return larger.amax((2, 3))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "convnext": ConvNext,
    "detr": Detr,
    "dino": Dino,
    "efficient": Efficient,
    "swin": Swin,
    "unet": UNet,
    "vit": Vit,
    "yolo": Yolo,
}


def make_network(name: str) -> tuple[nn.Module, torch.Tensor]:
    """Make one of the networks with random weights, in eval mode, and an example of its input."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.eval().requires_grad_(False), torch.rand(1, 3, SIZE, SIZE)


efficient = functools.partial(make_network, "efficient")
dino = functools.partial(make_network, "dino")
