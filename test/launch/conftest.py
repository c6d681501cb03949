# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Launch tests need launch_testing: with pytest alone they would wait for nodes that nothing launches."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the launch tests, with a reason, if pytest runs without launch_testing's plugin."""
    if config.pluginmanager.hasplugin("launch_testing"):
        return
    skip = pytest.mark.skip(
        reason="pytest runs without launch_testing's plugin, which pytest 9 cannot load: "
        "use pytest 7, as Ubuntu 24.04 ships it, or `launch_test FILE`"
    )
    for item in items:
        if item.path.name.endswith("_launch.py"):
            item.add_marker(skip)
