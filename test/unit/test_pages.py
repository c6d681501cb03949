# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every command of the documentation is run by a test, or its page says what it needs that tests do not have."""

from __future__ import annotations

import pytest
from page_commands import WAYS, run_elsewhere, way_of
from pages import NEEDS, Block, blocks, blocks_of

BLOCKS = blocks()

PAGE = """\
Text `make inline`.

    ./neurosurgeon demo \\
      --frames 3               # with a comment

    make lint  # the same block

<!-- needs: root -->

    $ sudo reboot
    what it prints

More.

```sh
./neurosurgeon verify '#4'
```

```text
nothing to run
```
"""


def test_blocks_are_read() -> None:
    assert list(blocks_of("page.md", PAGE)) == [
        Block("page.md", 3, "", ("./neurosurgeon demo --frames 3", "make lint"), fenced=False),
        Block("page.md", 10, "root", ("sudo reboot",), fenced=False),
        Block("page.md", 16, "", ("./neurosurgeon verify '#4'",), fenced=True),
    ]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_command_is_run_or_marked(block: Block) -> None:
    assert block.needs in ("", *NEEDS)
    if not block.needs and not run_elsewhere(block):
        # Add a way to page_commands.py, or <!-- needs: … --> before the block. Fence what is no command, as text.
        assert [command for command in block.commands if way_of(command) is None] == []


def test_a_command_without_a_way_is_found() -> None:
    assert way_of("rm -rf /") is None
    assert way_of("./neurosurgeon demonstrate") is None
    assert way_of("./neurosurgeon demo --uplink 4") is WAYS["./neurosurgeon demo"]
    assert way_of("./neurosurgeon demo --view") is WAYS["./neurosurgeon demo --view"]


def test_no_way_is_in_vain() -> None:
    shown = [command for block in BLOCKS for command in block.commands]
    assert [words for words in WAYS if not any(way_of(command) is WAYS[words] for command in shown)] == []
