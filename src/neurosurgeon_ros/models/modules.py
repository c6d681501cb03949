# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Find a user's own functions, named as ``package.module:function``, in the same way as ``python -m`` finds modules."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def find_function(what: str, name: str) -> Callable[..., Any]:
    """
    Import a module and return one of its functions.

    The current folder is searched last, so a file in it does not replace an installed module.

    :param what: what the function is for, with its name; the error message starts with it.
    :param name: ``package.module:function``.
    :raises ValueError: there is no such module or function, or the module cannot be imported; one sentence.
    """
    module_name, _, function_name = name.partition(":")
    module = _import(what, module_name)
    function = getattr(module, function_name, None)
    if not callable(function):
        place = getattr(module, "__file__", None) or "an installed module"
        raise ValueError(
            f"{what} cannot be found: {module_name} ({place}) has no function {function_name!r}; name one that it has, "
            "as package.module:function."
        )
    return function  # type: ignore[no-any-return]


def _import(what: str, module_name: str) -> ModuleType:
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)  # not removed: the function may import more when it is called
    try:
        return importlib.import_module(module_name)
    except Exception as error:  # the user's own code
        wanted = error.name if isinstance(error, ModuleNotFoundError) else None
        if wanted is None or not f"{module_name}.".startswith(f"{wanted}."):
            raise ValueError(
                f"{what} cannot be imported: its module {module_name} raised {error!r}; mend it, or install what it "
                "needs where this program runs."
            ) from error
        raise ValueError(
            f"{what} cannot be found: there is no module {wanted!r} in the current folder ({folder}), on PYTHONPATH "
            f"({_callers_path() or 'not set'}), or among what is installed; go to the folder that holds it, put that "
            "folder on PYTHONPATH, or install its package where this program runs."
        ) from error


def _callers_path() -> str:
    """Return the entries of PYTHONPATH outside this program's own folders, as text."""
    prefixes = (sys.prefix, *filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)))
    entries = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    return os.pathsep.join(
        entry for entry in entries if not any(f"{entry}/".startswith(f"{prefix.rstrip('/')}/") for prefix in prefixes)
    )
