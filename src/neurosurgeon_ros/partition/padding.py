# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Skip the rows that an image does not reach: the rows above and below it that a letterbox fills.

The result of a convolution for an image differs from its result for an empty input only in the rows that an image row
reaches. All other rows are known in advance. The graph computes only the rows in between, and joins them with the known
rows if a later step needs them. For a 16:9 image in a square input, nearly half of the early maps are known in advance.
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

#: A step runs on a part of the rows only if this part is at most this share of all rows.
WORTH = 0.85


class Rows(NamedTuple):
    """
    Range of rows of a map.

    :param first: the first row.
    :param end: the row after the last.
    """

    first: int
    end: int


class Window(NamedTuple):
    """
    Rows of its input that a step reads for each row of its result.

    :param size: number of rows.
    :param stride: distance in input rows from one row of the result to the next.
    :param padding: rows of zeros before the first row of the input.
    """

    size: int
    stride: int
    padding: int

    def reached(self, rows: Rows, height: int) -> Rows:
        """Return the rows of the result that depend on one of these rows; `height` is the height of the result."""
        first = -((self.size - 1 - self.padding - rows.first) // self.stride)
        return Rows(max(0, first), min(height, (rows.end - 1 + self.padding) // self.stride + 1))

    def seen(self, rows: Rows) -> Rows:
        """Return the input rows that these rows of the result depend on; they may lie in the padding."""
        first = rows.first * self.stride - self.padding
        return Rows(first, (rows.end - 1) * self.stride - self.padding + self.size)


class Surrounded(nn.Module):
    """
    Step that receives some rows and adds the known rows around them.

    :param step: receives all these rows.
    :param above: known rows of shape (1, C, h, W), with h >= 0.
    :param below: known rows, as `above`.
    """

    def __init__(self, step: nn.Module, above: torch.Tensor, below: torch.Tensor) -> None:
        super().__init__()
        self._step = step
        self._around = above, below

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the result of the step for `x`, of shape (N, C, h, W), and the rows around it."""
        above, below = (part.expand(len(x), -1, -1, -1) for part in self._around)
        parts = [part for part in (above, x, below) if part.shape[2]]
        whole = torch.cat(parts, 2).contiguous(memory_format=torch.channels_last) if len(parts) > 1 else x
        result: torch.Tensor = self._step(whole)
        return result


class Taken(nn.Module):
    """Selection of some rows of a map."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._rows = rows

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return a view of these rows."""
        return x[:, :, self._rows.first : self._rows.end]


def without_padding(module: fx.GraphModule, empty: torch.Tensor, rows: Rows) -> fx.GraphModule | None:
    """
    Return an equivalent graph for inputs that differ from an empty one only in some rows; it skips the other rows.

    :param module: a normalised and packed graph with one input, in eval mode.
    :param empty: the input without an image, shape (1, C, H, W).
    :param rows: rows of the input; no other row may differ from `empty`.
    :returns: the graph, whose results are bit-identical; None if there is nothing to skip, or if a probe shows that the
        results differ.
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
    Builder of a graph that computes some values only for some of their rows.

    :param module: the graph to rebuild.
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
        """Make the graph; return None if there is nothing to skip."""
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
        """Limit a step to the image's rows if this is possible and worthwhile; return whether it was limited."""
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
        """Join the computed rows of a value with the known rows."""
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
        """Return the modules and attributes that the graph uses, by name."""
        nodes = [node for node in self._made.nodes if node.op in ("call_module", "get_attr")]
        names = {str(node.target) for node in nodes} - self._added.keys()
        return {name: operator.attrgetter(name)(self.module) for name in names}


def _window(step: nn.Module | None) -> Window | None:
    if isinstance(step, PackedConv2d):
        return Window(*step.window)
    return Window(2, 2, 0) if isinstance(step, HalvingMaxPool2d) else None


def _divides(node: fx.Node) -> bool:
    """Return whether a step divides each element by one number."""
    divides = node.target in ("div", torch.div, operator.truediv) and len(node.args) == 2 and not node.kwargs
    return divides and isinstance(node.args[0], fx.Node) and isinstance(node.args[1], float | int)


def _is_map(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.dim() == 4 and len(value) == 1 and lies_channels_last(value)


def _between(known: torch.Tensor, first: int, end: int) -> torch.Tensor:
    """Copy some rows; rows outside the map are zeros."""
    _, channels, height, width = known.shape
    rows = known.new_zeros((1, max(0, end - first), width, channels)).permute(0, 3, 1, 2)
    low, high = max(0, first), min(height, end)
    if low < high:
        rows[:, :, low - first : high - first] = known[:, :, low:high]
    return rows
