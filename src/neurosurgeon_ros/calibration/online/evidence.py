# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a robot has seen of an arm's agreement so far, and whether this decides if the arm may be used."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

from neurosurgeon_ros.calibration.agreement import Matches, bootstrap, f1
from neurosurgeon_ros.calibration.fidelity import INTERVAL_TOLERANCE, ArmFidelity, StreamFidelity

#: An arm is judged once it was compared on this many objects of the whole network. One wrong class among 48 leaves the
#: lower end of the interval at 0.938, above what a minimum of 0.95 requires; among 32 it would be 0.906.
OBJECTS = 48

#: Minimum number of images with objects, and of seconds that they come from: objects of one second are the same ones.
IMAGES, BLOCKS = 24, 4

#: An arm is dropped early only after this many images, because a wrong decision cannot be corrected later.
LEAST_IMAGES = 8

#: After half of those images, an arm is dropped if its agreement is this far below the minimum.
FAR = 0.3


class Verdict(Enum):
    """Whether an arm's agreement is known well enough."""

    OPEN = "open"
    JUDGED = "judged"
    HOPELESS = "hopeless"


@dataclass(slots=True)
class Evidence:
    """
    Comparisons of one arm with the whole network.

    :ivar blocks: objects that both found, that the whole network found and that the arm found, by the second in which
        the robot saw them.
    :ivar images: number of compared images with objects.
    :ivar sent: number of frames that were sent, without keys.
    :ivar sent_bytes: bytes of those frames.
    :ivar keys: number of keys.
    :ivar key_bytes: bytes of the keys.
    :ivar period_s: seconds between two frames of the streams, summed over `sent`.
    """

    blocks: dict[int, list[int]] = field(default_factory=dict)
    images: int = 0
    sent: int = 0
    sent_bytes: float = 0.0
    keys: int = 0
    key_bytes: float = 0.0
    period_s: float = 0.0

    def compare(self, matches: Matches, block: int) -> None:
        """Add a comparison on one image, seen in second `block`."""
        counts = self.blocks.setdefault(block, [0, 0, 0])
        for index, count in enumerate((matches.both, matches.one, matches.other)):
            counts[index] += count
        self.images += matches.one > 0

    def send(self, sent_bytes: int, *, is_key: bool = False, period_s: float = 0.0) -> None:
        """Add the size of a frame that was sent."""
        if is_key:
            self.keys += 1
            self.key_bytes += sent_bytes
        else:
            self.sent += 1
            self.sent_bytes += sent_bytes
            self.period_s += period_s

    @property
    def objects(self) -> int:
        """Return how many objects the whole network found on the compared images."""
        return sum(one for _, one, _ in self.blocks.values())

    def fidelity(self) -> ArmFidelity | StreamFidelity:
        """Return the agreement, with an interval from blocks of one second, as for codecs with memory."""
        blocks = [Matches(*counts) for counts in self.blocks.values()]
        low, high = bootstrap([blocks]) if blocks else (0.0, 1.0)
        sent_bytes = self.sent_bytes / max(1, self.sent)
        if not self.keys:
            return ArmFidelity(f1(blocks), low, high, sent_bytes)
        rate_hz = self.sent / self.period_s if self.period_s > 0.0 else 1.0
        return StreamFidelity(f1(blocks), low, high, sent_bytes, rate_hz=rate_hz, key_bytes=self.key_bytes / self.keys)

    def verdict(self, min_fidelity: float) -> Verdict:
        """
        Return whether the arm is judged.

        An arm is never accepted early, since looking often and stopping at a good moment would overrate it. It is
        dropped early if even the upper end of its interval is too low, which can only cost a useful arm.
        """
        if self.objects >= OBJECTS and self.images >= IMAGES and len(self.blocks) >= BLOCKS:
            return Verdict.JUDGED
        required = min_fidelity - INTERVAL_TOLERANCE
        if self.images >= LEAST_IMAGES // 2:
            known = self.fidelity()
            early = self.images < LEAST_IMAGES or len(self.blocks) < 2
            if known.fidelity < required - FAR or (not early and known.high < required):
                return Verdict.HOPELESS
        return Verdict.OPEN

    def as_json(self) -> dict[str, object]:
        """Return the content for a file."""
        return {
            "blocks": {str(block): counts for block, counts in self.blocks.items()},
            **{name: getattr(self, name) for name in _NUMBERS},
        }

    @classmethod
    def from_json(cls, content: dict[str, object]) -> Evidence:
        """
        Read what :meth:`as_json` returned.

        :raises ValueError: if a figure is missing or out of its range; or KeyError, TypeError, AttributeError.
        """
        found = cls()
        blocks = content["blocks"]
        if not isinstance(blocks, dict):
            raise ValueError("blocks are missing")
        for block, counts in blocks.items():
            both, one, other = (int(count) for count in counts)
            if not 0 <= both <= min(one, other):
                raise ValueError("a comparison has a figure out of its range")
            found.blocks[int(block)] = [both, one, other]
        for name in _NUMBERS:
            kind = type(getattr(found, name))
            number = kind(content[name])
            if not (math.isfinite(number) and number >= 0):
                raise ValueError(f"{name} is out of its range")
            setattr(found, name, number)
        return found


_NUMBERS = ("images", "sent", "sent_bytes", "keys", "key_bytes", "period_s")
