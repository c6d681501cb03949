# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A network as a graph of functional steps, with what each step gives and costs.

torch.fx records the graph; here it is brought into a form that can be cut between any two steps: nothing writes to a
tensor that an earlier step made, sizes are constants (the example input fixes them), and every tensor lies densely in
memory, so that a tensor that travelled lies as one that did not.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.errors import PartitionError
from neurosurgeon_ros.partition.work import WorkCounter

#: Longest name of a value: the bound of the message field that carries it.
LONGEST_NAME = 64
_NO_OPERATIONS = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_SIZES = {"size", "dim", "numel", "ndimension", "stride", "is_contiguous", "get_device", "is_floating_point"}
_SIZE_ATTRIBUTES = {"shape", "ndim", "dtype", "device", "is_cuda", "layout"}
_IN_PLACE_OPERATORS: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


def trace(network: nn.Module, example_inputs: Sequence[torch.Tensor]) -> fx.GraphModule:
    """
    Trace a network.

    :param network: in eval mode; its weights are shared, not copied.
    :param example_inputs: fix shapes, element types and memory formats.
    :returns: the graph; each node that computes has in ``meta`` ``label`` (a name for people), ``value`` (an example of
        what it gives) and ``work`` (:class:`~neurosurgeon_ros.partition.work.Work`).
    :raises PartitionError: the network cannot be traced.
    """
    try:
        module = fx.GraphModule(network, fx.Tracer().trace(network))
    except Exception as error:
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise PartitionError(
            f"Network {type(network).__name__} cannot be traced ({first}); make its forward free of control flow that "
            "depends on values."
        ) from error
    _label(module)
    _drop_no_operations(module)
    _annotate(module, example_inputs)
    _fold_sizes(module)
    _make_functional(module)
    _keep_items_with_their_maker(module)
    module.graph.eliminate_dead_code()
    _make_dense(module, example_inputs)
    _annotate(module, example_inputs)
    module.graph.lint()
    module.recompile()
    return module


def steps(graph: fx.Graph) -> list[fx.Node]:
    """Give the nodes that compute, in order; a constant is none."""
    return [node for node in graph.nodes if node.op in ("call_module", "call_function", "call_method")]


def is_tensor(node: fx.Node) -> bool:
    """Whether the node gives one tensor, not a tuple of them."""
    return isinstance(node.meta.get("value"), torch.Tensor)


def canonical_strides(shape: Sequence[int], channels_last: bool) -> tuple[int, ...]:
    """Strides of a dense tensor."""
    order = (0, 2, 3, 1) if channels_last else range(len(shape))
    strides, step = [0] * len(shape), 1
    for dimension in reversed(tuple(order)):
        strides[dimension] = step
        step *= max(shape[dimension], 1)
    return tuple(strides)


def lies_channels_last(tensor: torch.Tensor) -> bool:
    """Whether a tensor is best kept as N, H, W, C: it lies so, or more so than as N, C, H, W."""
    if tensor.dim() != 4:
        return False
    if tensor.stride() == canonical_strides(tensor.shape, channels_last=True):
        return tensor.stride() != canonical_strides(tensor.shape, channels_last=False)
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def dense(tensor: torch.Tensor, channels_last: bool) -> torch.Tensor:
    """
    Give the tensor with the strides that it would have after travelling; copies only where elements lie apart.

    torch tells channels-last from the strides even where a dimension has one element and both orders are the same.
    """
    strides = canonical_strides(tensor.shape, channels_last)
    if tensor.stride() == strides:
        return tensor
    tensor = tensor.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    return tensor if tensor.stride() == strides else tensor.as_strided(tensor.shape, strides)


class _Recorder(fx.Interpreter):
    """Runs the graph once, and writes into each node what it gives and costs."""

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "output":
            return super().run_node(n)
        with WorkCounter() as counter:
            result = super().run_node(n)
        n.meta["value"], n.meta["work"] = result, counter.work
        return result


def _annotate(module: fx.GraphModule, example_inputs: Sequence[torch.Tensor]) -> None:
    module.graph.lint()
    module.recompile()
    inputs = [tensor.clone() for tensor in example_inputs]
    try:
        with torch.no_grad():
            _Recorder(module, garbage_collect_values=False).run(*inputs)
    except Exception as error:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in example_inputs)
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise PartitionError(
            f"The network does not accept the example input of shape {shapes} ({first}); give one that it accepts."
        ) from error


def _label(module: fx.GraphModule) -> None:
    """Name each node after the module that it belongs to, and tell calls of the same name apart by a number."""
    seen: dict[str, int] = {}
    for node in module.graph.nodes:
        if node.op == "call_module":
            label = str(node.target)
        elif node.op in ("call_function", "call_method"):
            function = node.target if isinstance(node.target, str) else node.target.__name__
            scope = next(reversed(node.meta.get("nn_module_stack") or {"": ""}))
            label = f"{scope}.{function.strip('_')}".lstrip(".")
        else:
            label = node.name
        label = label.replace("/", ".")[-(LONGEST_NAME - 5) :].lstrip(".")
        seen[label] = seen.get(label, 0) + 1
        node.meta["label"] = label if seen[label] == 1 else f"{label}_{seen[label]}"


def _drop_no_operations(module: fx.GraphModule) -> None:
    for node in list(module.graph.nodes):
        if node.op == "call_module":
            called = module.get_submodule(node.target)
            if isinstance(called, _NO_OPERATIONS) and not (called.training and not isinstance(called, nn.Identity)):
                node.replace_all_uses_with(node.all_input_nodes[0])
                module.graph.erase_node(node)


def _fold_sizes(module: fx.GraphModule) -> None:
    """Replace what depends on shapes alone by its value."""
    for node in list(module.graph.nodes):
        if _is_size(node):
            _replace_by_constant(node, node.meta["value"])
            module.graph.erase_node(node)


def _replace_by_constant(node: fx.Node, value: Any) -> None:
    def exchange(argument: fx.Node) -> Any:
        return value if argument is node else argument

    for user in list(node.users):
        user.args, user.kwargs = fx.map_arg(user.args, exchange), fx.map_arg(user.kwargs, exchange)


def _is_size(node: fx.Node) -> bool:
    if node.op == "call_method" and node.target in _SIZES:
        return True
    if node.op != "call_function":
        return False
    if node.target is getattr:
        return node.args[1] in _SIZE_ATTRIBUTES
    # All nodes among its arguments that were sizes have become constants by now.
    return not node.all_input_nodes and not _holds_tensor(node.meta.get("value"))


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, tuple | list) and any(map(_holds_tensor, value)))


def _make_functional(module: fx.GraphModule) -> None:
    """Let every step give a new tensor instead of writing to one that it was given."""
    order = {node: index for index, node in enumerate(module.graph.nodes)}
    for node in list(module.graph.nodes):
        written = _written(module, node)
        if written is None:
            continue
        storage = written.meta["value"].untyped_storage().data_ptr()
        for other in order:
            value = other.meta.get("value")
            if other in (written, node) or not isinstance(value, torch.Tensor):
                continue
            later = any(order[user] > order[node] for user in other.users)
            if later and value.untyped_storage().data_ptr() == storage and order[other] < order[node]:
                raise PartitionError(
                    f"Step {node.meta['label']} writes into a tensor that {other.meta['label']} shares with it; "
                    "use an operation that returns a new tensor there."
                )
        later_users = [user for user in written.users if order[user] > order[node]]
        for user in later_users:
            user.replace_input_with(written, node)
        _to_functional(module, node)


def _written(module: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """Give the node whose tensor this one writes to, if it does."""
    first = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
    if first is None or not is_tensor(first):
        return None
    if node.op == "call_module":
        return first if getattr(module.get_submodule(str(node.target)), "inplace", False) else None
    if node.op == "call_method":
        name = str(node.target)
        return first if name.endswith("_") and not name.endswith("__") else None
    if node.op == "call_function":
        name = getattr(node.target, "__name__", "")
        in_place = node.target in _IN_PLACE_OPERATORS or node.kwargs.get("inplace") or node.target is operator.setitem
        return first if in_place or (name.endswith("_") and not name.endswith("__")) else None
    return None


def _to_functional(module: fx.GraphModule, node: fx.Node) -> None:
    """Exchange an operation that writes to its input for the one that does not."""
    if node.op == "call_module":
        twin = copy.copy(module.get_submodule(str(node.target)))
        twin.inplace = False  # type: ignore[assignment]
        parent, _, name = str(node.target).rpartition(".")
        setattr(module.get_submodule(parent), name, twin)
    elif node.target in _IN_PLACE_OPERATORS:
        node.target = _IN_PLACE_OPERATORS[node.target]
    elif node.kwargs.get("inplace"):
        node.kwargs = {**node.kwargs, "inplace": False}
    else:
        name = node.target if isinstance(node.target, str) else node.target.__name__
        home = torch.Tensor if isinstance(node.target, str) else torch
        functional = getattr(home, name[:-1], None) or getattr(nn.functional, name[:-1], None)
        if functional is None or node.target is operator.setitem:
            raise PartitionError(
                f"Step {node.meta['label']} writes to its input, and has no form that does not; rewrite it without."
            )
        node.target = name[:-1] if isinstance(node.target, str) else functional


def _keep_items_with_their_maker(module: fx.GraphModule) -> None:
    """Take tuples apart where they are made, so that single tensors cross every cut after that."""
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target is operator.getitem and not is_tensor(node.args[0]):
            node.args[0].append(node)


def _make_dense(module: fx.GraphModule, example_inputs: Sequence[torch.Tensor]) -> None:
    """After each step whose result does not lie densely, bring it into the form that travelling would give it."""
    _annotate(module, example_inputs)
    for node in list(module.graph.nodes):
        value = node.meta.get("value")
        if node.op in ("get_attr", "output") or not isinstance(value, torch.Tensor) or value.layout != torch.strided:
            continue
        channels_last = lies_channels_last(value)
        if value.stride() == canonical_strides(value.shape, channels_last):
            continue
        with module.graph.inserting_after(node):
            follower = module.graph.call_function(dense, (node, channels_last))
        follower.meta["label"] = node.meta["label"]
        node.replace_all_uses_with(follower, delete_user_cb=lambda user, follower=follower: user is not follower)
