# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Looks at the edges that are not in use: samples and probes alongside the frames, so that their policies keep learning.

A look is what the policy of such an edge asks for. Where it would send the frame, its tensors go there as a sample, if
the robot has computed them anyway, and otherwise a probe of as many bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from neurosurgeon_ros.learning.interface import FEATURES, Context
from neurosurgeon_ros.robot.edges.chooser import EdgeChooser
from neurosurgeon_ros.robot.edges.route import Route
from neurosurgeon_ros.robot.frame import Flight
from neurosurgeon_ros.robot.sender import Sender
from neurosurgeon_ros.robot.uplink.uplink import AVAILABLE

_PSI = FEATURES.index("psi")

#: The robot looks so often at a new edge, one look after the other, before it expects anything of it.
FIRST_LOOKS = 3

#: Seconds between two looks at an edge, and by which share they vary so that robots do not look at the same time.
LOOK_PERIOD_S, JITTER = 1.0, 0.25

#: Samples take at most this share of the time, and the longest pause that follows from it, in seconds. In between,
#: probes of at least so many bytes show whether the link has changed. Links pass fewer bytes at once.
BUDGET, LONGEST_PAUSE_S, LEAST_PROBE = 0.1, 5.0, 12_000

#: An edge is looked at again at once if its expected delay has changed by more than this share, or if a look took so
#: many times as long as the one before, or so many times less. A policy may take one such answer for an outlier.
CHANGED, SURPRISE = 0.25, 1.5

#: Maximum number of such looks in a row.
MOST_AGAIN = 3


@dataclass(slots=True, eq=False)
class _Look:
    """The last look at one edge, and when the next look and the next sample are due."""

    answers: int
    due_s: float = 0.0
    sample_due_s: float = 0.0
    sent_s: float = -math.inf
    sample_s: float = math.nan
    probe_s: float = math.nan
    is_sample: bool = False
    expected_s: float = math.nan
    again: int = 0


class EdgeLooks:
    """
    Looks at edges, and tells the chooser what to expect of them. Used only by the robot's worker thread.

    :param seed: seed of the times between looks.
    """

    def __init__(self, chooser: EdgeChooser, sender: Sender, *, seed: int = 0, clock: Callable[[], float]) -> None:
        self._chooser = chooser
        self._sender = sender
        self._clock = clock
        self._random = np.random.default_rng(seed)
        self._looks: dict[str, _Look] = {}
        self._hurried_s = -math.inf

    def drop(self, route: Route) -> None:
        """Forget the last look at an edge."""
        self._looks.pop(route.name, None)

    def hurry(self) -> None:
        """Make a look at every edge due, because the used one has become slower; do nothing if that was so recently."""
        now_s = self._clock()
        if now_s - self._hurried_s < LONGEST_PAUSE_S:
            return
        self._hurried_s = now_s
        for look in self._looks.values():
            look.due_s = look.sample_due_s = 0.0

    def look(self, route: Route, flight: Flight) -> None:
        """
        Look at an edge that is not in use, if a look is due and the edge has answered the last one.

        Call this when the frame's detections are out.
        """
        available, now_s = route.uplink.check(max_in_flight=1), self._clock()
        if not route.uplink.is_there:
            route.forget()
            self._chooser.forget(route.name)
            self.drop(route)
            return
        if available.link_busy:
            return
        look = self._looks.setdefault(route.name, _Look(route.answers))
        is_answered, is_surprise = route.answers > look.answers, False
        if is_answered:
            is_surprise = self._plan(look, route, now_s)
        is_due = now_s >= look.due_s or available.test_due
        if not (is_answered or is_due or self._chooser.wants_look(route.name, now_s)):
            return
        seen = route.context(flight.frame, AVAILABLE, now_s=now_s, is_look=True)
        choice, _ = route.selector.choose(seen, has_picture=flight.frame.image.is_forwardable)
        if is_answered and route.answers >= FIRST_LOOKS:
            is_due |= self._expect(look, route, route.expected_s(choice, seen), is_surprise=is_surprise)
        if is_due or self._chooser.wants_look(route.name, now_s):
            look.sent_s, look.due_s = now_s, now_s + LOOK_PERIOD_S
            self._send(look, route, flight.aside(route, seen, choice, is_test=available.test_due), flight.point)

    def _plan(self, look: _Look, route: Route, now_s: float) -> bool:
        """Plan the next look after an answer. Return whether it took much longer than the one before, or much less."""
        took_s, before_s = route.look_s, look.sample_s if look.is_sample else look.probe_s
        look.answers = route.answers
        pause_s = LOOK_PERIOD_S * (1.0 + JITTER * float(self._random.uniform(-1.0, 1.0)))
        long_s = min(LONGEST_PAUSE_S, took_s / BUDGET)
        if look.is_sample:
            look.sample_s, look.sample_due_s = took_s, look.sent_s + long_s
            look.due_s = look.sent_s + pause_s
        else:
            look.probe_s, look.due_s = took_s, look.sent_s + max(pause_s, long_s)
        if route.answers < FIRST_LOOKS:
            look.due_s = look.sample_due_s = now_s
        return not (math.isnan(before_s) or before_s / SURPRISE <= took_s <= before_s * SURPRISE)

    def _expect(self, look: _Look, route: Route, expected_s: float, *, is_surprise: bool) -> bool:
        """Tell the chooser what to expect of an edge. Return whether it has changed, so that another look is due."""
        self._chooser.expect(route.name, expected_s, look.sent_s)
        has_changed = is_surprise or abs(expected_s - look.expected_s) > CHANGED * look.expected_s
        look.expected_s, look.again = expected_s, look.again + 1 if has_changed else 0
        if has_changed:
            look.sample_due_s = 0.0
        return has_changed and look.again <= MOST_AGAIN

    def _send(self, look: _Look, route: Route, aside: Flight, computed_point: int) -> None:
        """
        Send what the policy asks for, or what it would send the frame with.

        :param aside: the frame as the edge would see it.
        :param computed_point: the point up to which the robot has run the network.
        """
        choice, context = aside.choice, aside.context
        arm = choice.sample_arm
        if arm is None and (aside.is_test or choice.arm != context.on_device):
            arm = choice.arm
        sample_arm = None if arm is None else self._computed(arm, route, context, computed_point)
        may_sample = (
            aside.is_test or look.sent_s >= look.sample_due_s or self._chooser.wants_look(route.name, look.sent_s)
        )
        look.is_sample = sample_arm is not None and may_sample
        if look.is_sample:
            aside.choice, aside.sample_arm = replace(choice, arm=sample_arm or 0), sample_arm
            self._sender.send_sample(aside)
            return
        probe_bytes = choice.probe_bytes
        if arm is not None:
            arm_bytes = int(context.features[arm, _PSI])
            probe_bytes = arm_bytes if may_sample else min(arm_bytes, LEAST_PROBE)
        aside.choice = replace(choice, probe_bytes=probe_bytes)
        self._sender.send_probe(aside)

    def _computed(self, arm: int, route: Route, context: Context, point: int) -> int | None:
        """Return an arm whose tensors the robot has computed: the given one, or that with the fewest bytes, or None."""
        computed = context.allowed & (context.point <= point)
        computed[context.on_device] = False
        if computed[arm] or not computed.any():
            return arm if computed[arm] else None
        return int(np.argmin(np.where(computed, route.selector.statistics.sample_bytes, np.inf)))
