# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Parts of a shipped model: the network, its pre-processing and its post-processing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurosurgeon_ros.models.letterbox import Letterbox

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """
    Detections in one image; k detections, the best first.

    :param boxes: centre x, centre y, width, height in pixels of the incoming image. Shape (k, 4).
    :param scores: in (0, 1]. Shape (k,).
    :param classes: indices into ``Model.labels``. Shape (k,).
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)


class Postprocess(Protocol):
    """Convert raw outputs to detections."""

    def __call__(self, outputs: Any, letterbox: Letterbox, *, confidence: float, iou: float) -> Detections:
        """
        Decode a network's outputs.

        :param outputs: what the network returned.
        :param letterbox: placement of the image in the network's input.
        :param confidence: minimum score, in (0, 1).
        :param iou: boxes of one class that overlap by more than this are treated as one object, in (0, 1).
        """


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """
    Network with its weights, ready to run.

    :param name: registered name.
    :param labels: names of the classes.
    :param network: in eval mode, without gradients; takes the uint8 image tensor and returns the raw outputs.
    :param example_input: an input with the right shape, element type and memory format.
    :param preprocess: converts a BGR image of shape (H, W, 3) to the input tensor, and returns the placement of the
        image in it, which depends only on the image size.
    :param postprocess: converts raw outputs to detections in pixels of the incoming image.
    :param random_weights: the weights are random, so only delays are meaningful.
    :param family: name of the post-processing of a user's own network; empty if it has its own, or the model ships.
    :param notes: sentences about reading its outputs that a user should see once.
    """

    name: str
    labels: tuple[str, ...]
    network: nn.Module = field(repr=False)
    example_input: torch.Tensor = field(repr=False)
    preprocess: Callable[[Image], tuple[torch.Tensor, Letterbox]] = field(repr=False)
    postprocess: Postprocess = field(repr=False)
    random_weights: bool = False
    family: str = ""
    notes: tuple[str, ...] = ()

    @property
    def reading(self) -> str:
        """Return how the outputs of a user's own network are read; empty if it has its own post-processing."""
        return f"the outputs are read as {self.family}, {len(self.labels)} classes" if self.family else ""
