# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The policies for DDS-Security allow what the running nodes use, and nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from rclpy.action.graph import get_action_client_names_and_types_by_node, get_action_server_names_and_types_by_node
from support import Processes
from watcher import Watcher, watching

from neurosurgeon_ros.camera.transports import TRANSPORTS

ROBOT_ID = "robot_node"
Uses = set[tuple[str, str]]


def allowed(root: Path, which: str) -> Uses:
    """Return what a policy allows, as pairs (action, full name)."""
    tree = ElementTree.parse(root / "config" / "security" / f"{which}.policy.xml")
    assert tree.getroot().attrib == {"version": "0.2.0"}
    assert [one.get("path") for one in tree.iter("enclave")] == [f"/neurosurgeon/{which}"]
    (profile,) = tree.iter("profile")
    assert profile.attrib == {"ns": "/", "node": f"{which}_node"}
    found: Uses = set()
    for group in profile:
        for doing, verdict in group.attrib.items():
            assert verdict == "ALLOW"
            for name in group:
                found.add((doing, _full(name.text or "", f"{which}_node")))
    return found


def _full(name: str, node: str) -> str:
    return name if name.startswith("/") else f"/{name.replace('~', node, 1)}"


def used(watcher: Watcher, name: str) -> Uses:
    """Return what a node uses by the graph, as pairs (action, full name), with the robot's id as a wildcard."""
    node = watcher.node
    if name not in node.get_node_names():  # its topics can be known a moment before its name is
        return set()
    found: Uses = set()
    for doing, asked in (
        ("publish", node.get_publisher_names_and_types_by_node),
        ("subscribe", node.get_subscriber_names_and_types_by_node),
        ("reply", node.get_service_names_and_types_by_node),
        ("request", node.get_client_names_and_types_by_node),
    ):
        found |= {(doing, one) for one, _ in asked(name, "/")}
    for doing, listed in (
        ("call", get_action_client_names_and_types_by_node(node, name, "/")),
        ("execute", get_action_server_names_and_types_by_node(node, name, "/")),
    ):
        found |= {(doing, one) for one, _ in listed}
    return {(doing, one.replace(f"/neurosurgeon/{ROBOT_ID}/", "/neurosurgeon/*/")) for doing, one in found}


@pytest.mark.parametrize("transport", ["raw", "compressed", "foxglove"])
def test_the_policies_allow_what_the_nodes_use_and_nothing_else(
    processes: Processes, root: Path, transport: str
) -> None:
    topics = {other: "/image_raw" if other == "raw" else f"/image_raw/{other}" for other in TRANSPORTS}
    other = {("subscribe", topic) for name, topic in topics.items() if name != transport}
    processes.start("edge_node", "--ros-args", "-p", "threads:=1")
    processes.start(
        "robot_node", "--ros-args", "-p", "threads:=1", "-p", "codecs:=[uint8]", "-p", f"image_transport:={transport}"
    )
    with watching() as watcher:
        watcher.edge_serves()
        watcher.until(
            lambda: used(watcher, "edge_node") == allowed(root, "edge"),
            "an edge that uses what its policy allows",
            timeout=20.0,
        )
        watcher.until(
            lambda: used(watcher, "robot_node") == allowed(root, "robot") - other,
            "a robot that uses what its policy allows",
            timeout=20.0,
        )
