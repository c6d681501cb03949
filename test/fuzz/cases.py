# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Hostile cases, many of them: each is drawn from a seed of its own, so that one alone can be tried again.

``make fuzz`` tries 100,000 of each target (FUZZ_CASES), ``make test`` some. FUZZ_SEED is the seed, and FUZZ_CASE the
number of the one case to try.
"""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable

#: Cases of a target.
CASES = int(os.environ.get("FUZZ_CASES", "400"))

SEED = int(os.environ.get("FUZZ_SEED", "1"))

#: Seconds of processor time in which whatever is given is to be refused or taken.
LONGEST_S = 1.0

# Numbers at which lengths, counts and places go wrong.
_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 9, 16, 64, 65, 255, 256, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-45, 3.4e38, float("inf"), float("-inf"), float("nan"))


class Case(random.Random):
    """The draws of one case."""

    def damaged(self, data: bytes) -> bytes:
        """Change a few places of good bytes, or cut them off, or lengthen them; seldom leave nothing good of them."""
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
        """Damage a text, which stays one."""
        return self.damaged(good.encode()).decode(errors="replace")


class Fuzz:
    """
    Tries the cases of a target.

    :param name: of the target.
    :param tell: told the target, how many cases were tried, how many of them were refused, and the seconds that took.
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
        Try all cases: some have to be taken, and some refused.

        :param attempt: tries one.
        :param refusals: what it may raise.
        :param every: of so many cases try one, where one takes long.
        :param part: of the target.
        :param longest_s: seconds of processor time that a case may take.
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
