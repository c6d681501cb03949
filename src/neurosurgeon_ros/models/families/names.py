# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Names of a network's classes: from a file, from the network itself, of COCO, or numbered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml
from torch import nn

from neurosurgeon_ros.models.coco import COCO_NAMES
from neurosurgeon_ros.models.files import FileProblem

#: Maximum size of a file with names, in bytes.
_LARGEST = 1_000_000
_FORMS = "give a YAML file with `names`, or a text file with a name in each line"
#: Numbers of the 91 in which COCO's annotations count, and torchvision's and DETR's networks, that no class has.
_UNUSED = frozenset((0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83))


def _numbered_from_one() -> tuple[str, ...]:
    names = iter(COCO_NAMES)
    return tuple(f"class {index}" if index in _UNUSED else next(names) for index in range(91))


#: COCO's classes by the numbers of its annotations.
COCO_91: tuple[str, ...] = _numbered_from_one()


def read_names(path: Path) -> tuple[str, ...]:
    """
    Read the names of classes from a file.

    :param path: a YAML file (``.yaml`` or ``.yml``) whose entry `names` is a list, or a mapping from 0, 1, ... to
        names, as in Ultralytics' data files; or a text file with a name in each line.
    :returns: at least one name; a name that occurs again has its number added.
    :raises FileProblem: the file is missing, or has no names.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise FileProblem(f"{path} is missing: give the path of a file with the names of the classes") from None
    except OSError as error:
        raise FileProblem(
            f"{path} cannot be read ({error.strerror}): give the path of a file with the names of the classes"
        ) from None
    if len(content) > _LARGEST:
        raise FileProblem(f"{path} has more than {_LARGEST:,} bytes: give a file with the names of the classes alone")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FileProblem(
            f"{path} is no UTF-8 text: give a YAML file, or a text file with a name in each line"
        ) from None
    names = _from_yaml(path, text) if path.suffix.lower() in (".yaml", ".yml") else _filled(text.splitlines())
    if not names:
        raise FileProblem(f"{path} has no names: write the name of a class in each line")
    return distinct(names)


def _from_yaml(path: Path, text: str) -> tuple[str, ...]:
    try:
        # Its values are strings, lists and dicts alone, so a class may be called `no` or `1`.
        content = yaml.BaseLoader(text).get_single_data()
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}" if mark else type(error).__name__
        raise FileProblem(
            f"{path} is no YAML ({place}): mend it, or give a text file with a name in each line"
        ) from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        names = [names.get(str(index)) for index in range(len(names))]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise FileProblem(
            f"{path} has no names: write them as a list under `names:`, or as a mapping from 0, 1, ... to a name each"
        )
    return _filled(names)


def _filled(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in names)))


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of which none occurs twice: later ones have their number added."""
    found: dict[str, None] = {}
    for index, name in enumerate(names):
        unique = name
        while unique in found:
            unique = f"{unique} {index}"
        found[unique] = None
    return tuple(found)


def own_names(network: nn.Module) -> tuple[str, ...]:
    """
    Return the names that a network brings along; empty if it has none.

    They are its attribute `names`, a list, or a mapping from 0, 1, ..., which a module in it may have, too
    (Ultralytics); or `config.id2label` (Hugging Face).
    """
    for module in network.modules():
        for given in (getattr(module, "names", None), getattr(getattr(module, "config", None), "id2label", None)):
            if isinstance(given, Mapping) and set(given) == set(range(len(given))):
                given = [given[index] for index in range(len(given))]
            elif module is not network:
                continue
            if isinstance(given, list | tuple) and given and all(isinstance(name, str) and name for name in given):
                return distinct(given)
    return ()


def own_number(network: nn.Module) -> int | None:
    """Return the number of classes that a network of torchvision brings along; None if it has none."""
    for module in network.modules():
        for attribute in ("num_classes", "num_columns"):
            number = getattr(module, attribute, None)
            if type(number) is int and number > 0:
                return number
    return None


def numbered(number: int) -> tuple[str, ...]:
    """Return numbered names of classes."""
    return tuple(f"class {index}" for index in range(number))
