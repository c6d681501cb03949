# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the link, injected through the relay's plan. All random choices come from the stage's seed."""

from __future__ import annotations

import random
from collections.abc import Callable

from benchmarks.faults.fault import Fault, Inject, pass_time
from benchmarks.faults.stage.relay import Fate
from benchmarks.faults.stage.stage import Stage

GROUP = "link"
AT_DEADLINE = "a frame whose answer is late is finished on the robot from the tensors that it holds"

#: Changes one message and returns its fate, or returns None to let it pass.
Meddle = Callable[[random.Random, str, bytes], Fate | None]


def meddling(meddle: Meddle, seconds: float) -> Inject:
    """Return a fault that applies `meddle` to messages for some seconds."""

    def inject(stage: Stage) -> int:
        generator = random.Random(stage.seed)
        injected = 0

        def plan(kind: str, message: bytes) -> Fate:
            nonlocal injected
            fate = meddle(generator, kind, message)
            if fate is None:
                return [(0.0, message)]
            injected += 1
            return fate

        stage.relay.plan = plan
        pass_time(seconds)
        stage.relay.plan = None
        return injected

    return inject


def _slow(generator: random.Random, kind: str, message: bytes) -> Fate:
    return [(len(message) * 8 / 1e6, message)]  # 1 Mbit/s


def _lose(generator: random.Random, kind: str, message: bytes) -> Fate | None:
    return [] if generator.random() < 0.05 else None


def _repeat(generator: random.Random, kind: str, message: bytes) -> Fate | None:
    return [(0.0, message), (generator.uniform(0.0, 0.3), message)] if generator.random() < 0.5 else None


def _reorder(generator: random.Random, kind: str, message: bytes) -> Fate | None:
    return [(generator.uniform(0.0, 0.3), message)] if generator.random() < 0.5 else None


def _spike(generator: random.Random, kind: str, message: bytes) -> Fate | None:
    return [(generator.uniform(0.5, 1.5), message)] if generator.random() < 0.05 else None


def _jitter(generator: random.Random, kind: str, message: bytes) -> Fate:
    return [(generator.expovariate(1 / 0.05), message)]


def _corrupt(generator: random.Random, kind: str, message: bytes) -> Fate | None:
    if generator.random() >= 0.2:
        return None
    changed = bytearray(message)
    for _ in range(8):
        # The encapsulation header stays: otherwise the message is dropped before this package reads it.
        changed[generator.randrange(4, len(changed))] = generator.randrange(256)
    return [(0.0, bytes(changed))]


def _cut_short(generator: random.Random, kind: str, message: bytes) -> Fate | None:
    return [(0.0, message[: generator.randrange(4, len(message))])] if generator.random() < 0.1 else None


def _slower(stage: Stage) -> int:
    return meddling(lambda *_: [], 1.0)(stage) + meddling(_slow, 3.0)(stage)


FAULTS = (
    Fault("link away for 1 s", GROUP, AT_DEADLINE, meddling(lambda *_: [], 1.0)),
    Fault("link away for 8 s", GROUP, "the robot works alone until the link is back", meddling(lambda *_: [], 8.0)),
    Fault("link of 1 Mbit/s for 4 s", GROUP, AT_DEADLINE, meddling(_slow, 4.0)),
    Fault("link away for 1 s, then of 1 Mbit/s", GROUP, AT_DEADLINE, _slower),
    Fault("one message in 20 lost", GROUP, AT_DEADLINE, meddling(_lose, 5.0)),
    Fault("every second message twice", GROUP, "each frame is answered once", meddling(_repeat, 4.0)),
    Fault("messages out of order", GROUP, "detections stay in the camera's order", meddling(_reorder, 4.0)),
    Fault("delay spikes of 1 s", GROUP, AT_DEADLINE, meddling(_spike, 4.0)),
    Fault("jitter of 50 ms", GROUP, AT_DEADLINE, meddling(_jitter, 4.0)),
    Fault("bytes changed on the way", GROUP, "what does not fit is refused, and no node ends", meddling(_corrupt, 4.0)),
    Fault("messages cut short", GROUP, "what does not fit is refused, and no node ends", meddling(_cut_short, 4.0)),
)
