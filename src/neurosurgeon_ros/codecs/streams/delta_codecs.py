# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The codecs that send changes of feature maps, and the reason why they are absent without a range coder."""

from __future__ import annotations

from importlib.util import find_spec

from neurosurgeon_ros.codecs.streams.stream import StreamCodec


def why_absent() -> str | None:
    """Return why there are no such codecs, for one line in a log; None if they are there."""
    if find_spec("constriction") is not None:
        return None
    return (
        "there are no codecs for changes of feature maps, because constriction is not installed: install it with "
        "`pip install constriction`"
    )


def _delta_codecs() -> tuple[StreamCodec, ...]:
    """Return the codecs from fewer bytes to higher agreement, or none; the bytes are those of `pool4` at 25 Hz."""
    if why_absent():
        return ()
    from neurosurgeon_ros.codecs.streams.delta import Delta

    return (
        Delta(4, 0.75, expected=0.03, expected_key=0.09),
        Delta(4, 0.5, expected=0.04, expected_key=0.09),
        Delta(5, 0.75, expected=0.06, expected_key=0.16),
        Delta(5, 0.5, expected=0.07, expected_key=0.16),
        Delta(6, 1.0, expected=0.09, expected_key=0.21),
        Delta(6, 0.75, expected=0.1, expected_key=0.21),
        Delta(6, 0.5, expected=0.13, expected_key=0.21),
    )


#: All codecs of this kind; empty if constriction is not installed.
DELTA_CODECS: tuple[StreamCodec, ...] = _delta_codecs()
