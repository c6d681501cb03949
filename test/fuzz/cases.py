# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Many hostile cases, each drawn from its own seed, so that a single case can be repeated.

``make fuzz`` tries 100,000 cases per target (FUZZ_CASES), ``make test`` fewer. FUZZ_SEED is the seed, and FUZZ_CASE
the number of a single case to try.
"""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable

#: Number of cases per target.
CASES = int(os.environ.get("FUZZ_CASES", "400"))

SEED = int(os.environ.get("FUZZ_SEED", "1"))

#: Maximum processor time in seconds for accepting or rejecting an input.
LONGEST_S = 1.0

# Numbers at which lengths, counts and offsets typically fail.
_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 9, 16, 64, 65, 255, 256, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan"))


class Case(random.Random):
    """Random choices of one case."""

    def damaged(self, data: bytes) -> bytes:
        """Change a few places of good bytes, truncate or extend them, or, rarely, replace all of them."""
        if self.random() < 0.05:
            return self.randbytes(self.randrange(300))
        changed = bytearray(data)
        for _ in range(self.randrange(1, 5)):
            at = self.randrange(len(changed) + 1)
            kind = self.randrange(7)
            if kind == 0:
                changed[at : at + 1] = self.randbytes(1)
            elif kind == 1:
                order = self.choice("<>")
                changed[at : at + 4] = struct.pack(f"{order}I", self.choice(_NUMBERS))
            elif kind == 2:
                at -= at % 4
                changed[at : at + 4] = struct.pack("<I", self.choice(_NUMBERS))
            elif kind == 3:
                changed[at : at + 8] = struct.pack(self.choice(("<d", "<f")), self.choice(_FLOATS))
            elif kind == 4:
                del changed[at:]
            elif kind == 5:
                end = at + self.randrange(64)
                changed[at:at] = changed[at:end]
            else:
                changed[at:at] = self.randbytes(self.randrange(16))
        return bytes(changed)

    def text(self, good: str) -> str:
        """Damage a text; the result is a valid string."""
        return self.damaged(good.encode()).decode(errors="replace")


class Fuzz:
    """
    Tries the cases of a target.

    :param name: name of the target.
    :param tell: called with the target's name, the number of cases, the number of rejected cases, and the seconds.
    """

    def __init__(self, name: str, tell: Callable[[tuple[str, int, int, float]], object]) -> None:
        self.name = name
        self.tell = tell

    def __call__(
        self,
        attempt: Callable[[Case], object],
        *refusals: type[Exception],
        every: int = 1,
        part: str = "",
        longest_s: float = LONGEST_S,
    ) -> None:
        """
        Try all cases. Some must be accepted and some rejected.

        :param attempt: tries one case.
        :param refusals: exceptions that it may raise.
        :param every: tries only one case in this many, if a case takes long.
        :param part: part of the target.
        :param longest_s: maximum processor time of a case, in seconds.
        """
        alone = os.environ.get("FUZZ_CASE")
        numbers = [int(alone)] if alone else range(max(1, CASES // every))
        began_s, refused = time.monotonic(), 0
        for number in numbers:
            case_began_s = time.thread_time()
            try:
                attempt(Case(f"{SEED} {number}"))
            except refusals:
                refused += 1
            except BaseException as problem:
                problem.add_note(
                    f"case {number} of {self.name} {part}; again alone: FUZZ_SEED={SEED} FUZZ_CASE={number}"
                )
                raise
            took_s = time.thread_time() - case_began_s
            assert took_s < longest_s, f"case {number} of seed {SEED} took {took_s:.1f} s of processor time"
        self.tell((f"{self.name} {part}", len(numbers), refused, time.monotonic() - began_s))
        if refusals and len(numbers) >= 100:
            assert 0 < refused < len(numbers), f"of {len(numbers)} cases {refused} were refused"
