# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Links within the documentation lead to files and headings that exist, and every page is reached from the README."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = ("README.md", "docs/index.rst")
PAGES = sorted([*ROOT.glob("*.md"), *(path for kind in ("md", "rst") for path in (ROOT / "docs").rglob(f"*.{kind}"))])
#: Packages with a page of their interfaces.
API = ("learning", "partition", "codecs", "protocol")


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading; MyST gives the same."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings. The second of two equal headings has -1 at its end."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} (.*)$", prose(page), re.MULTILINE):
        name = slug(heading)
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def links(page: Path) -> list[tuple[str, str]]:
    """Return the links of a page that do not leave the repository, as paths and anchors; either may be empty."""
    if page.suffix == ".rst":
        text = page.read_text(encoding="utf-8")
        entries = re.findall(r"^   (?:\w+ <)?([\w./-]+)>?$", text, re.MULTILINE)
        names = [f"{one}{kind}" for one in entries for kind in (".md", ".rst")]
        return [(name, "") for name in names if beside(page, name)]
    targets = re.findall(r"\]\(([^()\s]+)\)", prose(page))
    return [target.partition("#")[::2] for target in targets if not re.match(r"[a-z]+:", target)]


def beside(page: Path, target: str) -> bool:
    """Return whether there is a file or a folder at a path relative to a page."""
    return (page.parent / target).exists()


def broken(page: Path) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for target, anchor in links(page):
        other = (page.parent / target).resolve() if target else page
        if not other.exists() or (anchor and anchor not in anchors(other)):
            found.append(f"{target}#{anchor}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## Same\n\n## Same\n\n## `code`, and a [link](x.md)!\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n[1](other.md#same-1) [2](other.md#code-and-a-link) [3](#page) [4](https://example.org#x)\n"
        "[5](none.md) [6](other.md#same-2) [7](#other)\n\n```sh\n# Heading\n[8](not/a/link.md)\n```\n[9](#heading)\n"
    )
    assert broken(page) == ["none.md#", "other.md#same-2", "#other", "#heading"]


def test_every_page_is_reached() -> None:
    waiting, reached = [ROOT / start for start in START], set[Path]()
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        waiting += [(page.parent / target).resolve() for target, _ in links(page) if target.endswith((".md", ".rst"))]
    assert [page for page in PAGES if page not in reached] == []


def test_every_page_has_a_place_on_the_site() -> None:
    placed = {(ROOT / "docs" / target).resolve() for target, _ in links(ROOT / "docs" / "index.rst")}
    assert [page for page in (ROOT / "docs").glob("*.md") if page.resolve() not in placed] == []


@pytest.mark.parametrize("name", API)
def test_the_page_of_a_package_has_all_its_modules(name: str) -> None:
    source = ROOT / "src" / "neurosurgeon_ros"
    modules = {
        ".".join(("neurosurgeon_ros", *path.relative_to(source).with_suffix("").parts)).removesuffix(".__init__")
        for path in (source / name).rglob("*.py")
        # Packages that only hold others say nothing of their own.
        if path.name != "__init__.py" or path.parent == source / name
    }
    text = (ROOT / "docs" / "api" / f"{name}.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"automodule:: (\S+)", text)) == modules
