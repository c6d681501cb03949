# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Leave out what an image does not reach: the rows above and below it that a letterbox fills.

What a convolution makes of an image differs from what it makes of an empty input only in the rows that some row of the
image reaches. All others are known beforehand: a map is computed for the rows between, and joined with the known ones
where a later step needs them. A picture of 16:9 in a square input leaves nearly half of the early maps to know.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch
from torch import fx, nn
from torch.utils import _pytree as pytree

from neurosurgeon_ros.partition.faster import HalvingMaxPool2d, as_it_is
from neurosurgeon_ros.partition.memory_format import lies_channels_last
from neurosurgeon_ros.partition.weight_packing import PackedConv2d

#: A step is done for some rows alone where they are at most this share of all.
WORTH = 0.85


class Rows(NamedTuple):
    """
    Rows of a map.

    :param first: the first one.
    :param end: the one after the last.
    """

    first: int
    end: int


class Window(NamedTuple):
    """
    The rows of its input that a step sees for each row of its result.

    :param size: their number.
    :param stride: from one row of the result to the next.
    :param padding: rows of zeros before the input's first.
    """

    size: int
    stride: int
    padding: int

    def reached(self, rows: Rows, height: int) -> Rows:
        """Return the rows of the result that see one of these rows; `height` is the result's."""
        first = -((self.size - 1 - self.padding - rows.first) // self.stride)
        return Rows(max(0, first), min(height, (rows.end - 1 + self.padding) // self.stride + 1))

    def seen(self, rows: Rows) -> Rows:
        """Return the rows that these rows of the result see; they may lie outside of the input, in the padding."""
        first = rows.first * self.stride - self.padding
        return Rows(first, (rows.end - 1) * self.stride - self.padding + self.size)


class Surrounded(nn.Module):
    """
    A step that is done for some rows, with known ones around them.

    :param step: is given all of them.
    :param above: of shape (1, C, h, W), with h from 0.
    :param below: the same.
    """

    def __init__(self, step: nn.Module, above: torch.Tensor, below: torch.Tensor) -> None:
        super().__init__()
        self._step = step
        self._around = above, below

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what the step makes of `x`, of shape (N, C, h, W), and the rows around."""
        above, below = (part.expand(len(x), -1, -1, -1) for part in self._around)
        parts = [part for part in (above, x, below) if part.shape[2]]
        whole = torch.cat(parts, 2).contiguous(memory_format=torch.channels_last) if len(parts) > 1 else x
        result: torch.Tensor = self._step(whole)
        return result


class Taken(nn.Module):
    """Some rows of a map."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a view of them."""
        return x[:, :, self._rows.first : self._rows.end]


def without_padding(module: fx.GraphModule, empty: torch.Tensor, rows: Rows) -> fx.GraphModule | None:
    """
    Return a graph that does the same for inputs that differ from an empty one in some rows, and leaves out the others.

    :param module: a normalised and packed graph of one input, in eval mode.
    :param empty: the input without an image, shape (1, C, H, W).
    :param rows: of the input; in no other may it differ from `empty`.
    :returns: the graph, whose results have the very same bits; None where there is nothing to leave out, or a probe
        shows that they have not.
    """
    made = _Trimmed(module, empty).make(rows)
    if made is None:
        return None
    probe = empty.clone()
    noise = torch.randint(0, 256, empty.shape, generator=torch.Generator().manual_seed(0)).to(empty.dtype)
    probe[:, :, rows.first : rows.end] = noise[:, :, rows.first : rows.end]
    with torch.inference_mode():
        mine, wanted = pytree.tree_leaves(made(probe)), pytree.tree_leaves(module(probe))
    return made if all(map(torch.equal, mine, wanted)) else None


class _Trimmed(fx.Interpreter):
    """
    A graph in the making that computes some values for some of their rows.

    :param module: the graph to be made again.
    :param empty: its input without an image.
    """

    def __init__(self, module: fx.GraphModule, empty: torch.Tensor) -> None:
        super().__init__(module, garbage_collect_values=False)
        self._nodes = tuple(module.graph.nodes)
        with torch.inference_mode():
            self.run(empty)
        self._made = fx.Graph()
        self._whole: dict[fx.Node, fx.Node] = {}
        self._part: dict[fx.Node, tuple[fx.Node, Rows]] = {}
        self._added: dict[str, nn.Module] = {}
        self._leaves_out = False

    def make(self, rows: Rows) -> fx.GraphModule | None:
        """Make the graph; None where there is nothing to leave out."""
        for node in self._nodes:
            if node.op == "placeholder":
                self._whole[node] = self._made.node_copy(node)
                self._part[node] = self._call(Taken(rows), self._whole[node]), rows
            elif not self._trim(node):
                for argument in node.all_input_nodes:
                    self._complete(argument)
                self._whole[node] = self._made.node_copy(node, self._whole.__getitem__)
        if not self._leaves_out:
            return None
        return fx.GraphModule({**self._used(), **self._added}, self._made)

    def _trim(self, node: fx.Node) -> bool:
        """Do a step for the image's rows alone, if that can be done and is worth it."""
        if len(node.all_input_nodes) != 1 or node.all_input_nodes[0] not in self._part:
            return False
        argument = node.all_input_nodes[0]
        x, rows = self._part[argument]
        if node.target is as_it_is or _divides(node):
            self._part[node] = self._made.node_copy(node, lambda _: x), rows
            return True
        step = self.fetch_attr(str(node.target)) if node.op == "call_module" else None
        window = _window(step)
        if step is None or window is None or not _is_map(self.env[argument]):
            return False
        given, height = self.env[argument], self.env[node].shape[2]
        wanted = window.reached(rows, height)
        seen = window.seen(wanted)
        if wanted.end - wanted.first > WORTH * height or seen.first > rows.first or seen.end < rows.end:
            return False
        if isinstance(step, PackedConv2d):
            step = step.for_rows(seen.end - seen.first)
        above, below = _between(given, seen.first, rows.first), _between(given, rows.end, seen.end)
        self._part[node] = self._call(Surrounded(step, above, below), x), wanted
        self._leaves_out = True
        return True

    def _complete(self, node: fx.Node) -> None:
        """Join the computed rows of a value with the known ones."""
        if node in self._whole:
            return
        x, rows = self._part[node]
        known = self.env[node]
        above, below = _between(known, 0, rows.first), _between(known, rows.end, known.shape[2])
        self._whole[node] = self._call(Surrounded(nn.Identity(), above, below), x)

    def _call(self, module: nn.Module, x: fx.Node) -> fx.Node:
        name = f"rows_{len(self._added)}"
        self._added[name] = module
        return self._made.call_module(name, (x,))

    def _used(self) -> dict[str, Any]:
        """Return what the graph calls and reads, by its name."""
        nodes = [node for node in self._made.nodes if node.op in ("call_module", "get_attr")]
        names = {str(node.target) for node in nodes} - self._added.keys()
        return {name: operator.attrgetter(name)(self.module) for name in names}


def _window(step: nn.Module | None) -> Window | None:
    if isinstance(step, PackedConv2d):
        return Window(*step.window)
    return Window(2, 2, 0) if isinstance(step, HalvingMaxPool2d) else None


def _divides(node: fx.Node) -> bool:
    """Whether a step divides each element by one number."""
    divides = node.target in ("div", torch.div, operator.truediv) and len(node.args) == 2 and not node.kwargs
    return divides and isinstance(node.args[0], fx.Node) and isinstance(node.args[1], float | int)


def _is_map(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 4 and len(value) == 1 and lies_channels_last(value)


def _between(known: torch.Tensor, first: int, end: int) -> torch.Tensor:
    """Copy some rows; those that the map does not have are zeros."""
    _, channels, height, width = known.shape
    rows = known.new_zeros((1, max(0, end - first), width, channels)).permute(0, 3, 1, 2)
    low, high = max(0, first), min(height, end)
    if low < high:
        rows[:, :, low - first : high - first] = known[:, :, low:high]
    return rows
