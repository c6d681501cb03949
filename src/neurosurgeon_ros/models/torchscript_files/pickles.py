# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Read the pickles of a TorchScript file: its modules, their weights, and its constants.

Only the few names that torch writes there are known, and none of them runs code of the file: a class of the file
becomes a :class:`ScriptObject` that holds its attributes.
"""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from neurosurgeon_ros.models.graphs.builder import MOST_ELEMENTS, Unconvertible

#: Prefix of the names of all classes of a file.
CLASSES = "__torch__"
#: Maximum size of a pickle, in bytes; it holds no weights.
_LARGEST = 16_000_000

_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class ScriptObject:
    """
    Module or other object of a file.

    :cvar qualified: full name of its class, such as ``__torch__.models.Net``.
    :ivar attributes: its attributes by name.
    """

    qualified = ""

    def __init__(self) -> None:
        self.attributes: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        """Take the attributes from a pickle."""
        if not isinstance(state, dict):
            raise Unconvertible(f"it has an object of {plain_class(self.qualified)} with a state of its own")
        self.attributes = dict(state)

    def __new__(cls) -> ScriptObject:
        """Return an object without attributes; pickles do not call ``__init__``."""
        made = super().__new__(cls)
        made.attributes = {}
        return made


def plain_class(qualified: str) -> str:
    """Return the name of a class as in the original network, without what torch adds to tell classes apart."""
    return ".".join(part for part in qualified.split(".")[1:] if not part.startswith("___torch_mangle_"))


class Reader:
    """
    Reader of the pickles of one archive.

    :param archive: the file.
    :param root: folder in the archive that contains everything.
    """

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self._archive = archive
        self._root = root
        self._storages: dict[tuple[str, str], torch.Tensor] = {}
        self._classes: dict[str, type[ScriptObject]] = {}

    def read(self, name: str) -> Any:
        """
        Read one pickle.

        :param name: ``data`` for the modules, ``constants`` for the constants.
        :raises Unconvertible: it holds something that is not known.
        :raises Exception: it is damaged.
        """
        member = f"{self._root}/{name}.pkl"
        if self._archive.getinfo(member).file_size > _LARGEST:
            raise Unconvertible(f"{name}.pkl has more than {_LARGEST:,} bytes")
        return _Unpickler(self, name, self._archive.read(member)).load()

    def example(self) -> torch.Tensor | None:
        """Return the input for which the network was traced, without its values; None if there is none."""
        member = f"{self._root}/traced_inputs.pkl"
        if member not in self._archive.namelist() or self._archive.getinfo(member).file_size > _LARGEST:
            return None
        try:
            inputs = _Unpickler(self, None, self._archive.read(member)).load()["forward"]
        except (KeyError, Unconvertible):
            return None
        return inputs[0] if len(inputs) == 1 and isinstance(inputs[0], torch.Tensor) else None

    def class_of(self, qualified: str) -> type[ScriptObject]:
        """Return the class of objects that stands for a class of the file."""
        if qualified not in self._classes:
            self._classes[qualified] = type("ScriptClass", (ScriptObject,), {"qualified": qualified})
        return self._classes[qualified]

    def storage(self, folder: str | None, saved: Any) -> torch.Tensor:
        """Return the elements of a storage as a tensor of one dimension, without values if `folder` is None."""
        kind, dtype, key, _, count = saved
        if kind != "storage" or not isinstance(dtype, torch.dtype) or not str(key).isdecimal():
            raise Unconvertible("it refers to something other than weights")
        if folder is None:
            return torch.empty(count, dtype=dtype, device="meta")
        if (folder, key) not in self._storages:
            member = self._archive.getinfo(f"{self._root}/{folder}/{key}")
            size = torch.empty(0, dtype=dtype).element_size()
            if member.compress_type != zipfile.ZIP_STORED or member.file_size != count * size:
                raise Unconvertible(f"its weights {folder}/{key} have another size than they should")
            content = bytearray(self._archive.read(member))
            flat = torch.frombuffer(content, dtype=dtype) if content else torch.empty(0, dtype=dtype)
            # Values of 16 bits are computed with 32.
            self._storages[folder, key] = flat.float() if dtype in (torch.float16, torch.bfloat16) else flat
        return self._storages[folder, key]


class _Unpickler(pickle._Unpickler):
    """Unpickler in Python: the one in C takes memory for numbers that a file may choose."""

    def __init__(self, reader: Reader, folder: str | None, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self._reader, self._folder = reader, folder

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or function."""
        full = f"{module}.{name}"
        if module == CLASSES or module.startswith(f"{CLASSES}."):
            return self._reader.class_of(full)
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if full not in _KNOWN:
            raise Unconvertible(f"it holds {full}, which is not converted")
        return _KNOWN[full]

    def persistent_load(self, pid: Any) -> torch.Tensor:
        """Return the storage to which a tensor refers."""
        return self._reader.storage(self._folder, pid)


def _tensor(storage: torch.Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: object) -> torch.Tensor:
    if len(size) != len(stride) or min((offset, *size, *stride), default=0) < 0 or math.prod(size) > MOST_ELEMENTS:
        raise Unconvertible(f"it has a tensor of shape {tuple(size)} and strides {tuple(stride)}")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if math.prod(size) and last >= storage.numel():
        raise Unconvertible(f"its tensor of shape {tuple(size)} lies outside its weights")
    return storage.as_strided(tuple(size), tuple(stride), offset).contiguous()


def _parameter(tensor: torch.Tensor, *_: object) -> torch.Tensor:
    return tensor


def _as_list(values: Any) -> list[Any]:
    return list(values)


def _first(value: Any, *_: object) -> Any:
    return value


_KNOWN: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch.device": str,
    "torch.jit._pickle.build_boollist": _as_list,
    "torch.jit._pickle.build_doublelist": _as_list,
    "torch.jit._pickle.build_intlist": _as_list,
    "torch.jit._pickle.build_tensorlist": _as_list,
    "torch.jit._pickle.restore_type_tag": _first,
}
