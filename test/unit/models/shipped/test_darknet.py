# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Darknet's weight files: values are read into the right places, and bad files are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.shipped.darknet import load_darknet


def small_network() -> nn.Sequential:
    """Return a convolution with batch norm and one without: 2 x 4 statistics, 18 + 6 kernel values, 3 biases."""
    return nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 3, 1))


def write(path: Path, floats: int, *, minor: int = 2) -> Path:
    header = np.array([0, minor, 0], dtype="<i4").tobytes() + bytes(8 if minor >= 2 else 4)
    path.write_bytes(header + np.arange(floats, dtype="<f4").tobytes())
    return path


@pytest.mark.parametrize("minor", [1, 2])
def test_values_are_taken_in_the_order_of_the_file(tmp_path: Path, minor: int) -> None:
    network = small_network()
    load_darknet(network, write(tmp_path / "w", 35, minor=minor))
    convolution, norm, _, last = network
    assert norm.bias.tolist() == [0, 1]
    assert norm.weight.tolist() == [2, 3]
    assert norm.running_mean.tolist() == [4, 5]
    assert norm.running_var.tolist() == [6, 7]
    assert torch.equal(convolution.weight, torch.arange(8.0, 26.0).view(2, 1, 3, 3))
    assert last.bias.tolist() == [26, 27, 28]
    assert torch.equal(last.weight, torch.arange(29.0, 35.0).view(3, 2, 1, 1))


@pytest.mark.parametrize(("floats", "reason"), [(34, "cut off"), (36, "another network"), (0, "cut off")])
def test_a_file_of_another_length_is_refused(tmp_path: Path, floats: int, reason: str) -> None:
    with pytest.raises(FileProblem, match=rf"holds {floats} weights where the network needs 35: .*{reason}"):
        load_darknet(small_network(), write(tmp_path / "w", floats))


def test_a_file_that_ends_within_a_number_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "w", 35)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileProblem, match="ends within a number"):
        load_darknet(small_network(), path)


@pytest.mark.parametrize("content", [b"", b"12345"])
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match="less than a Darknet header"):
        load_darknet(small_network(), path)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match="is missing"):
        load_darknet(small_network(), tmp_path / "nothing")
    with pytest.raises(FileProblem, match="cannot be read"):
        load_darknet(small_network(), tmp_path)
