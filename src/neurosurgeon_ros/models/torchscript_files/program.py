# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Follow the functions of a TorchScript file, statement by statement, and build the graph of what they compute.

Sizes and settings are known, so branches and loops that depend on them are followed. What depends on the image becomes
a step of the graph.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.graphs.builder import Builder, Unconvertible
from neurosurgeon_ros.models.graphs.scopes import Scope
from neurosurgeon_ros.models.torchscript_files.calls import Calls
from neurosurgeon_ros.models.torchscript_files.file import TorchScriptFile
from neurosurgeon_ros.models.torchscript_files.language import CONVERSIONS, SCALARS, full_name, is_a, new_object
from neurosurgeon_ros.models.torchscript_files.operators import OPERATORS
from neurosurgeon_ros.models.torchscript_files.pickles import CLASSES, ScriptObject, plain_class
from neurosurgeon_ros.models.torchscript_files.values import Place, Tensor

#: Maximum number of statements that are followed, and of functions within functions.
_MOST_STATEMENTS, _DEEPEST = 1_000_000, 100
_HOW_TO_GO_ON = "export the network to ONNX, or give it as package.module:factory"
_NUMBERS = {"inf": float("inf"), "nan": float("nan"), "infj": complex(0, float("inf"))}
_BRANCH, _NUMBER = "a branch or loop", "a number that fixes a size or a setting"


@dataclasses.dataclass(frozen=True, slots=True)
class _Function:
    """Function of the file as a value."""

    name: str


class _Returned(Exception):
    """A function returns."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class Program:
    """
    Program of one file.

    :param file: the file.
    :param builder: makes the graph.
    """

    def __init__(self, file: TorchScriptFile, builder: Builder) -> None:
        self._file = file
        self._builder = builder
        self._calls = Calls(builder, file.version, OPERATORS)
        self._weights: dict[int, Tensor] = {}
        self._statements = 0
        self._depth = 0
        self._line: tuple[str, int] = ("", 0)

    def run(self, image: fx.Node) -> Any:
        """
        Follow the network's ``forward``.

        :param image: the input.
        :returns: what it returns: tensors in lists, tuples and dicts.
        :raises FileProblem: something cannot be converted; the message names the operator and the module.
        """
        path = self._file.path
        try:
            return self._method(Place(self._file.network, ""), "forward", [Tensor(image)])
        except FileProblem:
            raise
        except Exception as error:  # torch may refuse what a file asks for with any exception
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            if not isinstance(error, Unconvertible):
                reason = f"torch refuses it for this size of the image ({reason})"
            where = f"its module {self._builder.scope.path!r}" if self._builder.scope.path else "its network"
            function, line = self._line
            operator = f"{self._calls.last}: " if self._calls.last else ""
            raise FileProblem(
                f"{path} cannot be converted at {where} (line {line} of {function}): {operator}{reason}: "
                f"{_HOW_TO_GO_ON}"
            ) from error

    def _method(self, place: Place, name: str, given: Sequence[Any]) -> Any:
        """Call a method of an object."""
        qualified = f"{place.object.qualified}.{name}"
        kind = plain_class(place.object.qualified)
        with self._scope(Scope(place.path, kind=kind) if kind else None):
            return self._function(qualified, [place, *given])

    @contextmanager
    def _scope(self, scope: Scope | None) -> Iterator[None]:
        """Let the steps that follow belong to a module; an error leaves it so, because the message names it."""
        before = self._builder.scope
        self._builder.scope = scope or before
        yield
        self._builder.scope = before

    def _function(self, qualified: str, given: Sequence[Any]) -> Any:
        """Call a function."""
        function = self._file.functions.get(qualified)
        if function is None:
            raise Unconvertible(f"there is no function {plain_class(qualified)}")
        if self._depth >= _DEEPEST:
            raise Unconvertible(f"more than {_DEEPEST} functions call each other")
        arguments, defaults = function.args.args, function.args.defaults
        names = {one.arg: value for one, value in zip(arguments, given, strict=False)}
        for one, default in zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True):
            if one.arg not in names:
                names[one.arg] = self._value(default, {})
        if len(given) > len(arguments) or len(names) != len(arguments):
            raise Unconvertible(f"{plain_class(qualified)} is given {len(given)} arguments for {len(arguments)}")
        self._depth += 1
        outer = self._line
        try:
            self._block(function.body, names, plain_class(qualified))
        except _Returned as returned:
            self._line = outer
            return returned.value
        finally:
            self._depth -= 1
        return None

    def _block(self, body: Sequence[ast.stmt], names: dict[str, Any], function: str) -> None:
        for statement in body:
            self._statements += 1
            if self._statements > _MOST_STATEMENTS:
                raise Unconvertible(f"it takes more than {_MOST_STATEMENTS:,} statements")
            self._line = function, statement.lineno
            self._calls.last = ""
            self._statement(statement, names, function)

    def _statement(self, statement: ast.stmt, names: dict[str, Any], function: str) -> None:
        match statement:
            case ast.Assign(targets=[target]):
                self._assign(target, self._value(statement.value, names), names)
            case ast.AnnAssign(value=ast.expr() as value):
                self._assign(statement.target, self._value(value, names), names)
            case ast.Expr(value=value):
                self._value(value, names)
            case ast.Return(value=value):
                raise _Returned(None if value is None else self._value(value, names))
            case ast.Pass():
                pass
            case ast.If():
                self._block(
                    statement.body if self._condition(statement.test, names) else statement.orelse, names, function
                )
            case ast.While():
                while self._condition(statement.test, names):
                    self._block(statement.body, names, function)
            case ast.For(target=ast.Name(id=name)):
                for one in self._value(statement.iter, names):
                    names[name] = one
                    self._block(statement.body, names, function)
            case _:
                raise Unconvertible(f"the statement {type(statement).__name__.lower()!r} is not converted")

    def _condition(self, test: ast.expr, names: Mapping[str, Any]) -> bool:
        found = self._value(test, names)
        self._calls.last = ""
        return bool(self._calls.number(found, _BRANCH))

    def _assign(self, target: ast.expr, value: Any, names: dict[str, Any]) -> None:
        match target:
            case ast.Name(id=name):
                names[name] = value
            case ast.Tuple(elts=parts):
                for part, one in zip(parts, value, strict=True):
                    self._assign(part, one, names)
            case ast.Attribute(value=owner, attr=name):
                self._value(owner, names).object.attributes[name] = value
            case _:
                raise Unconvertible(f"an assignment to {type(target).__name__.lower()!r} is not converted")

    def _value(self, part: ast.expr, names: Mapping[str, Any]) -> Any:
        """Return the value of an expression."""
        match part:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return names[name] if name in names else self._word(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._value(operand, names)
            case ast.List(elts=parts):
                return [self._value(one, names) for one in parts]
            case ast.Tuple(elts=parts):
                return tuple(self._value(one, names) for one in parts)
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                return {self._value(key, names): self._value(one, names) for key, one in pairs if key is not None}
            case ast.Attribute(value=ast.Name(id="CONSTANTS"), attr=name):
                return self._held(self._file.constants[int(name[1:])])
            case ast.Attribute() if full_name(part).startswith(f"{CLASSES}."):
                return _Function(full_name(part))
            case ast.Attribute(value=owner, attr=name):
                return self._attribute(self._value(owner, names), name)
            case ast.Subscript(value=owner, slice=ast.Slice(lower=low, upper=high)):
                ends = [None if one is None else self._value(one, names) for one in (low, high)]
                return self._value(owner, names)[slice(*ends)]
            case ast.Subscript(value=owner, slice=index):
                return self._item(self._value(owner, names), self._value(index, names))
            case ast.Call():
                return self._call(part, names)
        raise Unconvertible(f"the expression {type(part).__name__.lower()!r} is not converted")

    def _word(self, name: str) -> Any:
        if name not in _NUMBERS:
            raise Unconvertible(f"nothing is called {name!r}")
        return _NUMBERS[name]

    def _held(self, value: Any, path: str = "") -> Any:
        """Return a constant or an attribute of the file as a value; the same tensor is always the same value."""
        if isinstance(value, torch.Tensor):
            return self._weights.setdefault(id(value), Tensor(value))
        if isinstance(value, ScriptObject):
            return Place(value, path)
        if isinstance(value, list | tuple) and any(isinstance(one, torch.Tensor | ScriptObject) for one in value):
            return type(value)(self._held(one, f"{path}.{index}") for index, one in enumerate(value))
        return value

    def _attribute(self, owner: Any, name: str) -> Any:
        if not isinstance(owner, Place):
            raise Unconvertible(f"the attribute {name!r} of {type(owner).__name__.lower()} is not converted")
        attributes = owner.object.attributes
        if name in attributes:
            return self._held(attributes[name], f"{owner.path}.{name}".lstrip("."))
        field = self._file.fields.get(f"{owner.object.qualified}.{name}")
        if field is None:
            raise Unconvertible(f"there is no attribute {name!r}")
        return self._value(field, {})

    def _item(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, Place):  # a list or dict of modules
            return self._attribute(owner, str(index))
        return owner[index]

    def _call(self, part: ast.Call, names: Mapping[str, Any]) -> Any:
        called, own = part.func, full_name(part.func)
        root = own.partition(".")[0]
        if isinstance(called, ast.Name) and called.id not in names:
            return self._built_in(called.id, part, names)
        given = [self._value(one, names) for one in part.args]
        named = {one.arg: self._value(one.value, names) for one in part.keywords if one.arg is not None}
        if own == "torch.device":
            return str(given[0])
        if root in ("torch", "ops") and root not in names:
            return self._calls.run(own.partition(".")[2] if root == "torch" else own.removeprefix("ops."), given, named)
        if root == CLASSES and own.endswith(".__new__"):
            return Place(new_object(own.removesuffix(".__new__")), "")
        if root == CLASSES:
            # A class that is called is a tuple with names for its elements.
            return self._function(own, given) if own in self._file.functions else tuple(given)
        if isinstance(called, ast.Attribute):
            owner = self._value(called.value, names)
            if isinstance(owner, Place):
                return self._method(owner, called.attr, given)
            if isinstance(owner, Tensor) and called.attr == "tolist":
                return self._calls.constant(owner, "a list").tolist()
        else:
            owner = self._value(called, names)
            if isinstance(owner, _Function):
                return self._function(owner.name, given)
        raise Unconvertible(f"the call of {own or 'a value'} is not converted")

    def _built_in(self, name: str, part: ast.Call, names: Mapping[str, Any]) -> Any:
        """Call a function of the language."""
        if name in ("annotate", "unchecked_cast"):
            found = self._value(part.args[1], names)
            kind = ast.unparse(part.args[0])
            return self._calls.number(found, _NUMBER) if kind in SCALARS else found
        if name == "uninitialized":
            return None
        if name == "isinstance":
            return is_a(self._value(part.args[0], names), ast.unparse(part.args[1]))
        given = [self._value(one, names) for one in part.args]
        if name in CONVERSIONS:
            self._calls.last = ""
            return CONVERSIONS[name](self._calls.number(given[0], _BRANCH if name == "bool" else _NUMBER))
        if name == "getattr":
            return self._attribute(given[0], str(given[1]))
        if name == "range":
            return range(*(int(self._calls.number(one, _BRANCH)) for one in given))
        if name == "print":
            return None
        if name == "sorted":
            return sorted(given[0])
        raise Unconvertible(f"the call of {name} is not converted")
