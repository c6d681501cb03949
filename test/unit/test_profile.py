# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Required properties of the profiles in config/."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest


@pytest.mark.parametrize("file", ["fastdds.xml", "fastdds3.xml"])
def test_no_participant_is_dropped_sooner_than_others_would_drop_it(root: Path, file: str) -> None:
    """
    A peer with a shorter lease drops a process that still remembers it, and neither finds the other's topics again.

    Seen in 6 of 16 runs in which a process with a lease of 2 s was stopped for 4 s soon after its start.
    """
    profiles = ElementTree.parse(root / "config" / file)

    assert profiles.findall(".//{*}discovery_config")
    assert not profiles.findall(".//{*}leaseDuration")
