# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Look for robots and edges that this domain does not show: in other domains, and by unicast instead of multicast."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence

import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from neurosurgeon_ros.doctor.gather.listener import PREFIX
from neurosurgeon_ros.ros.peers import full_name, is_named

#: Maximum numbers of other domains to visit, and of addresses to ask.
MOST_DOMAINS, MOST_ADDRESSES = 6, 16

_PEERS = "ROS_STATIC_PEERS"


class Visit:
    """
    A participant without topics of its own, until :meth:`close`.

    :param domain: domain id to join.
    :param peers: addresses to which it announces itself by unicast, besides those of ROS_STATIC_PEERS.
    """

    def __init__(self, domain: int, namespace: str, peers: Sequence[str] = ()) -> None:
        self.domain = domain
        self._namespace = namespace
        self._context = Context()
        with _static_peers(peers):
            rclpy.init(context=self._context, domain_id=domain, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node(
            f"{PREFIX}_visitor", context=self._context, start_parameter_services=False, enable_rosout=False
        )

    def close(self) -> None:
        """Leave the domain."""
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def seen(self) -> tuple[str, ...]:
        """Return the robots and edges in the graph, in words."""
        found = set()
        for topic, word in ((f"{self._namespace}/status", "the edge"), (f"{self._namespace}/hello", "the robot")):
            for info in self._node.get_publishers_info_by_topic(topic):
                if is_named(info) and not info.node_name.startswith(PREFIX):
                    found.add(f"{word} {full_name(info)}")
        return tuple(sorted(found))


def look_elsewhere(
    own: int, domains: Sequence[int], addresses: Sequence[str], namespace: str, seconds: float
) -> tuple[dict[int, tuple[str, ...]], tuple[str, ...]]:
    """
    Join other domains, and ask some addresses by unicast, at the same time.

    :param own: domain id in which to ask the addresses.
    :param domains: other domain ids, the likeliest first.
    :param addresses: IPv4 addresses or names of machines.
    :param namespace: namespace of the topics between robot and edge.
    :returns: robots and edges in words: those of each other domain that has any, and those that answered.
    """
    with contextlib.ExitStack() as stack:
        visits = [Visit(domain, namespace) for domain in domains[:MOST_DOMAINS]]
        asked = [Visit(own, namespace, addresses[:MOST_ADDRESSES])] if addresses else []
        for visit in (*visits, *asked):
            stack.callback(visit.close)
        _wait((*visits, *asked), seconds)
        others = {visit.domain: seen for visit in visits if (seen := visit.seen())}
        return others, asked[0].seen() if asked else ()


def _wait(visits: Sequence[Visit], seconds: float) -> None:
    """Wait until every visit has seen somebody, at most some seconds."""
    end_s = time.monotonic() + seconds
    while visits and time.monotonic() < end_s and not all(visit.seen() for visit in visits):
        time.sleep(0.05)  # the graph changes in a thread of the middleware, which nothing here can wait for


@contextlib.contextmanager
def _static_peers(peers: Sequence[str]) -> Iterator[None]:
    """Name peers to the next context: rcl reads them from the environment only."""
    before = os.environ.get(_PEERS)
    if peers:
        os.environ[_PEERS] = ";".join(dict.fromkeys((*filter(None, (before or "").split(";")), *peers)))
    try:
        yield
    finally:
        if peers:
            os.environ.pop(_PEERS) if before is None else os.environ.update({_PEERS: before})
