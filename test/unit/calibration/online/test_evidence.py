# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""When an arm is judged, and when it is dropped."""

from __future__ import annotations

import pytest

from neurosurgeon_ros.calibration.agreement import Matches
from neurosurgeon_ros.calibration.fidelity import ArmFidelity, StreamFidelity
from neurosurgeon_ros.calibration.online.evidence import BLOCKS, IMAGES, OBJECTS, Evidence, Verdict

MINIMUM = 0.95


def seen(images: int, *, objects: int = 2, wrong: int = 0, per_block: int = 4) -> Evidence:
    """Return evidence of images with some objects each, of which the first ones are missed."""
    evidence = Evidence()
    for number in range(images):
        missed = 1 if number < wrong else 0
        evidence.compare(Matches(objects - missed, objects, objects - missed), number // per_block)
        evidence.send(1000 + number)
    return evidence


def test_an_arm_is_judged_after_enough_objects_images_and_seconds() -> None:
    assert seen(IMAGES, objects=2).verdict(MINIMUM) is Verdict.JUDGED
    assert seen(IMAGES - 1, objects=9).verdict(MINIMUM) is Verdict.OPEN
    assert seen(IMAGES, objects=1).verdict(MINIMUM) is Verdict.OPEN
    assert seen(OBJECTS, objects=1).verdict(MINIMUM) is Verdict.JUDGED
    assert seen(IMAGES, objects=9, per_block=IMAGES // (BLOCKS - 1)).verdict(MINIMUM) is Verdict.OPEN


def test_images_without_objects_are_no_evidence_but_what_an_arm_finds_there_counts() -> None:
    evidence = Evidence()
    for number in range(1000):
        evidence.compare(Matches(0, 0, 0), number)
    assert evidence.verdict(MINIMUM) is Verdict.OPEN
    good = seen(IMAGES)
    assert good.fidelity().fidelity == 1.0
    good.compare(Matches(0, 0, 30), 100)
    assert good.fidelity().fidelity < 0.8


def test_an_arm_is_never_accepted_early_and_is_dropped_early_only_if_it_cannot_be_good_enough() -> None:
    assert seen(IMAGES // 2).verdict(MINIMUM) is Verdict.OPEN
    assert seen(8, wrong=8).verdict(MINIMUM) is Verdict.HOPELESS
    assert seen(8, wrong=8).verdict(0.3) is Verdict.OPEN
    assert seen(4, objects=4, wrong=4).verdict(MINIMUM) is Verdict.OPEN
    far = seen(4, objects=1, wrong=3)
    assert far.fidelity().fidelity < MINIMUM - 0.3
    assert far.verdict(MINIMUM) is Verdict.HOPELESS


@pytest.mark.parametrize(("wrong", "reaches"), [(0, True), (1, True), (8, False)])
def test_the_lower_end_of_the_interval_decides(wrong: int, reaches: bool) -> None:
    known = seen(OBJECTS, objects=1, wrong=wrong, per_block=1).fidelity()
    assert known.low <= known.fidelity <= known.high
    assert known.reaches(MINIMUM) is reaches


def test_bytes_of_keys_are_not_those_of_other_frames_and_the_rate_is_that_of_the_frames() -> None:
    plain = seen(4).fidelity()
    assert type(plain) is ArmFidelity
    assert plain.sent_bytes == 1001.5
    stream = seen(1)
    stream.send(9000, is_key=True, period_s=0.1)
    stream.sent, stream.sent_bytes = 0, 0.0
    for _ in range(7):
        stream.send(500, period_s=0.1)
    known = stream.fidelity()
    assert isinstance(known, StreamFidelity)
    assert (known.sent_bytes, known.key_bytes) == (500.0, 9000.0)
    assert known.rate_hz == pytest.approx(10.0)
