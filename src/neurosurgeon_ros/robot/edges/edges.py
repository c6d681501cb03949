# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The edges of a robot: a route to each, and the one that the frames take.

With one route, everything is as if there were no choice: the chooser is not asked, and nothing is looked at.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from neurosurgeon_ros.calibration.arm_table import ArmTable
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.learning.interface import Policy
from neurosurgeon_ros.protocol.requests import Identity
from neurosurgeon_ros.robot.edges.chooser import EdgeChooser
from neurosurgeon_ros.robot.edges.looks import CHANGED, EdgeLooks
from neurosurgeon_ros.robot.edges.route import NEWEST, Route
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.selector import ArmSelector
from neurosurgeon_ros.robot.sender import Sender
from neurosurgeon_ros.robot.streams.streams import RobotStreams
from neurosurgeon_ros.robot.uplink.link import Link
from neurosurgeon_ros.robot.uplink.requests import Measured
from neurosurgeon_ros.robot.uplink.uplink import Availability, EdgeUplink

#: Makes a policy for the arms of a table, by its registered name.
PolicyFactory = Callable[[ArmTable, str], Policy]


class Edges:
    """
    The routes of a robot. Owned by the robot's worker, except the methods for other threads.

    :param link: link of the first route, which always exists.
    :param selector: the first route's policy, and the arms.
    :param make_policy: makes the policies of the other routes; None: there are none.
    :param sender: sends looks.
    :param seed: seed of the probes' bytes and of everything that is drawn at random.

    :ivar routes: all routes; the first one is always the same.
    """

    def __init__(
        self,
        link: Link,
        selector: ArmSelector,
        *,
        identity: Identity,
        engine: Engine,
        make_policy: PolicyFactory | None,
        sender: Sender,
        seed: int,
        clock: Callable[[], float],
    ) -> None:
        self._identity = identity
        self._engine = engine
        self._make_policy = make_policy
        self._seed = seed
        self._clock = clock
        first = self._make_route("", link, selector, seed)
        self.routes: tuple[Route, ...] = (first,)
        self._changes: deque[Callable[[], None]] = deque()
        self._replacement: tuple[ArmTable, Policy, str] | None = None
        own_seed = seed ^ identity.session  # robots with the same seed must not move together
        self._chooser = EdgeChooser(seed=own_seed)
        self._usual_s = math.inf
        self._looks = EdgeLooks(self._chooser, sender, seed=own_seed, clock=clock)

    @property
    def used(self) -> Route:
        """Return the route that the frames take."""
        return next((route for route in self.routes if route.name == self._chooser.used), self.routes[0])

    @property
    def moves(self) -> int:
        """Return how often the robot has moved to another edge."""
        return self._chooser.moves

    @property
    def expected_s(self) -> dict[str, float]:
        """Return the expected seconds of a frame by the names of the routes, as far as the robot knows them."""
        return self._chooser.expected_s

    # From other threads.

    def add(self, name: str, link: Link) -> EdgeUplink:
        """
        Add a route to another edge, which is a candidate from the next frame on. Safe to call from any thread.

        :param name: name of the route, not empty.
        :returns: the uplink, whose inbox takes the edge's answers.
        """
        route = self._make_route(name, link, self.routes[0].selector, self._seed)

        def apply() -> None:
            first, is_second = self.routes[0], len(self.routes) == 1
            route.selector = self._another(first.selector)
            if is_second and not (first.was_used or first.uplink.is_there):
                # What was learnt at an earlier start is of use where the frames go.
                route.selector, first.selector = first.selector, route.selector
            self.routes = (*self.routes, route)

        self._changes.append(apply)
        return route.uplink

    def remove(self, name: str) -> None:
        """Remove a route from the next frame on. Safe to call from any thread."""

        def apply() -> None:
            for route in self.routes[1:]:
                if route.name == name:
                    route.uplink.requests.close()
                    self._forget(route)

        self._changes.append(apply)

    def ring(self) -> None:
        """Wake the worker if it waits for an answer."""
        for route in self.routes:
            route.uplink.requests.inbox.ring()

    def close(self) -> None:
        """End every wait for an answer from now on."""
        for route in self.routes:
            route.uplink.requests.close()

    def replace(self, table: ArmTable, policy: Policy, policy_name: str) -> None:
        """
        Give the used route this policy, the others new ones, and all of them the arms of a table.

        This applies from the next frame on. Safe to call from any thread; the last call before a frame applies.
        """
        self._replacement = (table, policy, policy_name)

    # For each frame.

    def take_changes(self) -> None:
        """Apply what :meth:`add`, :meth:`remove` and :meth:`replace` have asked for."""
        replacement, self._replacement = self._replacement, None
        if replacement is not None:
            self._replace(*replacement)
        while self._changes:
            self._changes.popleft()()

    def _replace(self, table: ArmTable, policy: Policy, policy_name: str) -> None:
        used = self.used
        used.selector = used.selector.followed_by(table, policy, policy_name)
        for route in self.routes:
            if route is not used:
                route.selector = self._another(used.selector)
            route.forget()
            self._chooser.forget(route.name)
            route.uplink.requests.disown()

    def choose(self, *, max_in_flight: int) -> tuple[Route, Availability]:
        """
        Choose the route of a frame.

        :param max_in_flight: as in :meth:`.EdgeUplink.check`.
        :returns: the route, and whether the frame may go to its edge now.
        """
        used = self.used
        available = used.uplink.check(max_in_flight=max_in_flight)
        used.was_used |= available.obstacle is None
        if len(self.routes) == 1:
            return used, available
        others = [route for route in self.routes if route is not used and route.uplink.is_well]
        if not any(route.was_used for route in self.routes):
            chosen = others[0].name if others else used.name
            self._chooser.use(chosen)
        else:
            usable = [route.name for route in others]
            if available.obstacle is None and used.uplink.is_well:
                usable.append(used.name)
            chosen = self._chooser.choose(usable, self._clock())
        if chosen == used.name:
            return used, available
        used.streams.begin_again()
        self._usual_s = math.inf
        self._looks.drop(used)
        used = self.used
        available = used.uplink.check(max_in_flight=max_in_flight)
        used.was_used |= available.obstacle is None
        # The first frame does not wait for a look that is under way.
        return used, replace(available, link_free=True)

    def take_measured(self, deadline_s: float) -> Iterator[tuple[Route, Measured]]:
        """
        Remove and yield the requests that were answered, as :meth:`.EdgeUplink.take_measured` does, with their routes.
        """
        for route in self.routes:
            for measured in route.uplink.take_measured(deadline_s):
                route.learn(measured)
                yield route, measured

    def expect(self, flight: Flight) -> None:
        """Tell the chooser what the used edge's policy expects."""
        if len(self.routes) > 1 and flight.route.name == self._chooser.used:
            expected_s = flight.route.expected_s(flight.choice, flight.context)
            self._chooser.expect(flight.route.name, expected_s, self._clock())
            is_slower = expected_s > (1.0 + CHANGED) * self._usual_s
            if is_slower:
                self._looks.hurry()
            if is_slower or not math.isfinite(self._usual_s):
                self._usual_s = expected_s
            self._usual_s += NEWEST * (expected_s - self._usual_s)

    def look(self, flight: Flight) -> None:
        """Look at the edges that are not in use, alongside a frame whose detections are out."""
        if len(self.routes) == 1:
            return
        for route in self.routes:
            if route.name != self._chooser.used:
                self._looks.look(route, flight)

    def _make_route(self, name: str, link: Link, selector: ArmSelector, seed: int) -> Route:
        engine, clock = self._engine, self._clock
        uplink = EdgeUplink(link, identity=self._identity, fingerprint=engine.fingerprint, seed=seed, clock=clock)
        streams = RobotStreams(engine, is_outstanding=uplink.requests.is_outstanding, clock=clock)
        return Route(name, uplink, streams, selector)

    def _another(self, selector: ArmSelector) -> ArmSelector:
        """Return a selector of the same arms with a policy that has learnt nothing."""
        assert self._make_policy is not None, "there is one edge"
        return replace(selector, policy=self._make_policy(selector.table, selector.policy_name))

    def _forget(self, gone: Route) -> None:
        if self._chooser.used == gone.name:
            self._chooser.use(self.routes[0].name)
        self.routes = tuple(route for route in self.routes if route is not gone)
        self._looks.drop(gone)
        self._chooser.drop(gone.name)
