# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Where a worker in another process finds the network that it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neurosurgeon_ros.inference.device import CPU
from neurosurgeon_ros.inference.engine import Engine


@dataclass(frozen=True, slots=True)
class NetworkSource:
    """
    Arguments of :meth:`.Engine.load`, as values that JSON can carry.

    :param name: name of the network, see :func:`neurosurgeon_ros.models.load_model`.
    :param weights: path of its weights file; empty for the file in the cache folder.
    :param labels: path of the file with the names of the classes; empty for those of the network.
    :param device: device of the back-ends, one of :data:`neurosurgeon_ros.inference.device.DEVICES`.
    :param half: let back-ends compute in fp16 on a GPU.
    """

    name: str
    weights: str = ""
    random_weights: bool = False
    labels: str = ""
    device: str = CPU
    half: bool = False

    def load(self, *, device: str = "") -> Engine:
        """
        Load the network.

        :param device: a device instead of the source's own.
        :raises ValueError: if it cannot be loaded or partitioned; the message is one sentence.
        """
        return Engine.load(
            self.name,
            weights=Path(self.weights) if self.weights else None,
            random_weights=self.random_weights,
            labels=Path(self.labels) if self.labels else None,
            device=device or self.device,
            half=self.half,
        )
