# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Invariant 3, as far as the sources show it: nothing is unpickled or evaluated."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCES = sorted((Path(__file__).parents[2] / "src").rglob("*.py"))
#: Calls that are forbidden, because they execute what they are given.
FORBIDDEN = (
    "eval",
    "exec",
    "compile",
    "__import__",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "marshal.loads",
)
FORBIDDEN += ("yaml.load", "yaml.unsafe_load", "os.system", "joblib.load", "torch.jit.load")


def offences(source: str) -> list[str]:
    """Return the calls in a source that could execute data from elsewhere."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {one.arg: ast.unparse(one.value) for one in node.keywords}
        unsafe = (
            name in FORBIDDEN
            or (name == "torch.load" and given.get("weights_only") != "True")
            or (name in ("np.load", "numpy.load") and given.get("allow_pickle", "False") != "False")
            or given.get("shell", "False") != "False"
        )
        if unsafe:
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
    return found


def test_nothing_is_unpickled_or_evaluated() -> None:
    assert len(SOURCES) > 100
    found = {path.name: offences(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "bad",
    [
        "eval('1')",
        "pickle.loads(b)",
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=x)",
    ],
)
def test_the_check_sees_what_it_is_for(bad: str) -> None:
    assert len(offences(bad)) == 1
