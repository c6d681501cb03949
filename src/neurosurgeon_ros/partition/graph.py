# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Represent a network as a graph of functional steps, with the value and cost of each step.

The recorded graph is converted into a form that can be cut between any two steps. No step writes to a tensor that an
earlier step made. Values that do not depend on the input are constants, because the example fixes all sizes. Every
tensor that can cross a cut is dense in memory.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from neurosurgeon_ros.partition.memory_format import dense, is_dense, lies_channels_last
from neurosurgeon_ros.partition.work import WorkCounter

_NO_OPERATIONS = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
_SIZES = {"size", "dim", "numel", "ndimension", "stride", "is_contiguous", "get_device", "is_floating_point"}
_SIZE_ATTRIBUTES = {"shape", "ndim", "dtype", "device", "is_cuda", "layout"}
_IN_PLACE_OPERATORS: dict[Any, Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


class SharedWrite(Exception):
    """Raised if a step writes to a tensor that other steps share; the graph from torch.fx does not show this."""


def normalise(module: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> None:
    """
    Convert a recorded graph in place into the form that can be cut.

    Each remaining node stores its ``label``, ``value`` (an example of its result) and ``work`` in ``meta``.

    :param module: the graph.
    :param inputs: the example; it is not modified.
    :raises SharedWrite: the graph writes through views.
    """
    _drop_no_operations(module)
    _record_values(module, inputs)
    _fold_sizes(module)
    _make_functional(module)
    _fold_constants(module)
    _keep_items_with_their_maker(module)
    module.graph.eliminate_dead_code()
    _record_values(module, inputs)
    _make_dense(module)
    _record_values(module, inputs)
    _drop_needless(module)
    _record_work(module, inputs)


def steps(graph: fx.Graph) -> list[fx.Node]:
    """Return the nodes that compute, in order; constants are not included."""
    return [node for node in graph.nodes if node.op in ("call_module", "call_function", "call_method")]


def is_tensor(node: fx.Node) -> bool:
    """Return whether the node returns one tensor, not a tuple of tensors."""
    return isinstance(node.meta.get("value"), torch.Tensor)


class _Recorder(fx.Interpreter):
    """Run the graph once, and store the result of each node in the node."""

    def run_node(self, n: fx.Node) -> Any:
        n.meta["value"] = super().run_node(n)
        return n.meta["value"]


class _Accountant(fx.Interpreter):
    """Run the graph once, and store the cost of each node in the node."""

    def run_node(self, n: fx.Node) -> Any:
        with WorkCounter() as counter:
            result = super().run_node(n)
        n.meta["work"] = counter.work
        return result


def _record_values(module: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> None:
    module.graph.lint()
    module.recompile()
    with torch.no_grad():
        _Recorder(module, garbage_collect_values=False).run(*(tensor.clone() for tensor in inputs))


def _record_work(module: fx.GraphModule, inputs: Sequence[torch.Tensor]) -> None:
    # Fused attention is one operation that hides its matrix products.
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            _Accountant(module).run(*inputs)
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _drop_no_operations(module: fx.GraphModule) -> None:
    for node in list(module.graph.nodes):
        if node.op == "call_module" and isinstance(module.get_submodule(node.target), _NO_OPERATIONS):
            node.replace_all_uses_with(node.all_input_nodes[0])
            module.graph.erase_node(node)


def _fold_sizes(module: fx.GraphModule) -> None:
    """Replace nodes that depend only on shapes with their values."""
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
    # Size nodes among its arguments have already become constants.
    return not node.all_input_nodes and not _holds_tensor(node.meta.get("value"))


def _holds_tensor(value: Any) -> bool:
    return isinstance(value, torch.Tensor) or (isinstance(value, tuple | list) and any(map(_holds_tensor, value)))


def _fold_constants(module: fx.GraphModule) -> None:
    """Compute values that do not depend on the input once, such as tables of positions."""
    number = 0
    for node in list(module.graph.nodes):
        computes = node.op in ("call_module", "call_function", "call_method")
        if not computes or not is_tensor(node) or any(used.op != "get_attr" for used in node.all_input_nodes):
            continue
        name = f"_constant_{number}"
        number += 1
        module.register_buffer(name, node.meta["value"].detach().clone())
        with module.graph.inserting_before(node):
            constant = module.graph.get_attr(name)
        constant.meta.update(label=node.meta["label"], value=node.meta["value"])
        node.replace_all_uses_with(constant)
        module.graph.erase_node(node)


def _make_functional(module: fx.GraphModule) -> None:
    """Make every step return a new tensor instead of writing to one of its inputs."""
    order = {node: index for index, node in enumerate(module.graph.nodes)}
    for node in list(module.graph.nodes):
        written = _written(module, node)
        if written is None:
            continue
        storage = written.meta["value"].untyped_storage().data_ptr()
        for other in order:
            value = other.meta.get("value")
            if other in (written, node) or not isinstance(value, torch.Tensor) or order[other] > order[node]:
                continue
            later = any(order[user] > order[node] for user in other.users)
            if later and value.untyped_storage().data_ptr() == storage:
                raise SharedWrite(f"{node.meta['label']} writes to what {other.meta['label']} shares")
        if written.op == "get_attr":
            raise SharedWrite(f"{node.meta['label']} writes to the constant {written.target}")
        for user in [user for user in written.users if order[user] > order[node]]:
            user.replace_input_with(written, node)
        _to_functional(module, node)


def _written(module: fx.GraphModule, node: fx.Node) -> fx.Node | None:
    """Return the node whose tensor this node writes to, or None."""
    if isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable:
        raise SharedWrite(f"{node.meta['label']} has no form that does not write")
    first = node.args[0] if node.args and isinstance(node.args[0], fx.Node) else None
    if first is None or not is_tensor(first):
        return None
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if node.op == "call_module":
        in_place = getattr(module.get_submodule(str(node.target)), "inplace", False)
    elif node.op == "call_method":
        in_place = name.endswith("_") and not name.endswith("__")
    elif node.op == "call_function":
        in_place = node.target in _IN_PLACE_OPERATORS or bool(node.kwargs.get("inplace"))
        in_place = in_place or node.target is operator.setitem or (name.endswith("_") and not name.endswith("__"))
    else:
        in_place = False
    return first if in_place else None


def _to_functional(module: fx.GraphModule, node: fx.Node) -> None:
    """Replace an operation that writes to its input with the equivalent that does not."""
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
            raise SharedWrite(f"{node.meta['label']} has no form that does not write")
        node.target = name[:-1] if isinstance(node.target, str) else functional


def _keep_items_with_their_maker(module: fx.GraphModule) -> None:
    """Split tuples where they are made, so that only single tensors cross later cuts."""
    for node in reversed(list(module.graph.nodes)):
        if node.op == "call_function" and node.target is operator.getitem and not is_tensor(node.args[0]):
            maker = node.args[0]
            maker.append(node)
            node.meta["label"] = (
                f"{maker.meta['label']}.{node.args[1]}" if len(maker.users) > 1 else maker.meta["label"]
            )


def _drop_needless(module: fx.GraphModule) -> None:
    """Remove copies of tensors that are already dense because their source is now dense."""
    for node in list(module.graph.nodes):
        if node.target is dense and is_dense(node.args[0].meta["value"]):
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.recompile()


def _make_dense(module: fx.GraphModule) -> None:
    """Add a step after each result that is not dense, to give it the layout that it would have after transport."""
    for node in list(module.graph.nodes):
        if node.op in ("get_attr", "output") or not is_tensor(node):
            continue
        value = node.meta["value"]
        if value.layout != torch.strided or is_dense(value):
            continue
        with module.graph.inserting_after(node):
            follower = module.graph.call_function(dense, (node, lies_channels_last(value)))
        follower.meta["label"] = node.meta["label"]
        node.replace_all_uses_with(follower, delete_user_cb=lambda user, follower=follower: user is not follower)
