# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Load weights from an untrusted file; nothing in it is executed.

The file is Darknet's ``.weights``, safetensors' ``.safetensors``, or a state dict written by torch.save (any other
ending), which is read with ``weights_only``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.models.checkpoints import refuse_code
from neurosurgeon_ros.models.files import FILES, FileProblem, find, verify
from neurosurgeon_ros.models.shipped.darknet import load_darknet
from neurosurgeon_ros.models.shipped.fold import fold_batch_norms

_SAFETENSORS_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "U8": torch.uint8,
}
#: Maximum length of the header, as defined by the format.
_LONGEST_HEADER = 100_000_000


def fill(network: nn.Module, weights: Path | None, published: str | None, *, random_weights: bool) -> nn.Module:
    """
    Fill a network with its weights and make it ready to run.

    :param network: a new instance of its class.
    :param weights: the user's own file; None for the published one.
    :param published: name of the published file in the cache folder; None if there is none.
    :param random_weights: use random weights, from a seed that robot and edge share.
    :returns: the network in eval mode, batch norms folded, without gradients, channels-last.
    :raises FileProblem: the file is missing, or does not belong to this network.
    """
    if random_weights:
        _randomise(network)
    else:
        load_weights(network, _path(network, weights, published))
    network = fold_batch_norms(network.eval()).requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def load_weights(network: nn.Module, path: Path) -> None:
    """
    Fill a network from a file.

    :raises FileProblem: the file is missing, damaged, or belongs to another network.
    """
    if path.suffix == ".weights":
        load_darknet(network, path)
        return
    state = read_safetensors(path) if path.suffix == ".safetensors" else _read_state(path)
    own = network.state_dict()
    # Files written before torch 0.4.1 lack the counters, which inference does not use.
    wanted = {name for name in own if not name.endswith("num_batches_tracked")}
    differing = sorted(wanted.symmetric_difference(name for name in state if not name.endswith("num_batches_tracked")))
    differing += [name for name in sorted(wanted & state.keys()) if own[name].shape != state[name].shape]
    if differing:
        raise FileProblem(
            f"{path} does not fit {type(network).__name__}: {len(differing)} of its weights are missing, unknown or of "
            f"another shape, {differing[0]!r} first: give the file of this network"
        )
    network.load_state_dict({name: state[name] for name in wanted}, strict=False)


def read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    """
    Read a safetensors file: eight bytes of length, a JSON header with type, shape and range of each name, then data.

    :raises FileProblem: the file is missing, or is not a safetensors file.
    """
    content = _read(path)
    try:
        length = int.from_bytes(content[:8], "little")
        if length > min(_LONGEST_HEADER, len(content) - 8):
            raise ValueError("its header is longer than the file")
        header = json.loads(content[8 : 8 + length])
        data = memoryview(bytearray(content[8 + length :]))
        return {name: _safetensors_tensor(data, entry) for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise FileProblem(f"{path} is no safetensors file ({error}): get it again") from None


def _safetensors_tensor(data: memoryview, entry: Mapping[str, object]) -> torch.Tensor:
    dtype, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]  # type: ignore[misc]
    if not 0 <= start <= stop <= len(data):  # type: ignore[has-type]
        raise ValueError("a tensor lies outside the file")
    kind = _SAFETENSORS_TYPES[str(dtype)]
    part = data[start:stop]  # type: ignore[has-type]
    flat = torch.frombuffer(part, dtype=kind) if len(part) else torch.empty(0, dtype=kind)
    return flat.reshape(tuple(shape))  # type: ignore[arg-type]


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    _read(path, 1)
    refuse_code(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a damaged file can raise any exception
        raise FileProblem(
            f"{path} is no state dict of tensors alone: save it with torch.save(network.state_dict(), PATH)"
        ) from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise FileProblem(f"{path} holds something else than a state dict: save network.state_dict() alone")
    return dict(state)


def _read(path: Path, count: int = -1) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(count)
    except FileNotFoundError:
        raise FileProblem(f"{path} is missing: give the path of a weight file") from None
    except OSError as error:
        raise FileProblem(f"{path} cannot be read ({error.strerror}): give the path of a weight file") from None


def _path(network: nn.Module, weights: Path | None, published: str | None) -> Path:
    if weights is not None:
        if weights.name in FILES:
            verify(weights)
        return weights
    if published is None:
        raise FileProblem(
            f"{type(network).__name__} comes without weights: give a file of them, or ask for random weights"
        )
    return find(published)


def _randomise(network: nn.Module) -> None:
    """Draw weights from a fixed seed that keep values in range through many layers (He et al. 2015)."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                fan_in = module.weight[0].numel()
                # Uniform random numbers are the same on every processor; normal ones differ in the last bits.
                bound = (6 / fan_in) ** 0.5
                module.weight.uniform_(-bound, bound, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
