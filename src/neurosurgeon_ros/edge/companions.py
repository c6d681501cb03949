# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Which waiting requests share a run of their back-end."""

from __future__ import annotations

from collections.abc import Sequence

from neurosurgeon_ros.edge.service_times import ServiceTimes
from neurosurgeon_ros.edge.waiting import Waiting, is_in_time, share_a_back_end


def with_companions(
    first: Waiting, lines: Sequence[Waiting], sizes: Sequence[int], times: ServiceTimes, *, now_s: float, until_s: float
) -> list[Waiting]:
    """
    Return the largest batch that starts with a request and makes no waiting request late.

    :param lines: the first request of every other robot, in the order in which they would be answered.
    :param sizes: the batch sizes that are useful, largest first.
    :param until_s: clock time at which a batch has to end, because a turn is kept for a robot then.
    """
    alike = [one for one in lines if share_a_back_end(one.request, first.request)]
    for size in sizes:
        batch = [first, *alike[: size - 1]]
        batch_s = times.expected_s(first.request, size)
        if len(batch) == size > 1 and now_s + batch_s <= until_s and _none_is_late(batch, lines, times, now_s):
            return batch
    return [first]


def _none_is_late(batch: list[Waiting], lines: Sequence[Waiting], times: ServiceTimes, now_s: float) -> bool:
    """Return whether a batch makes neither its own requests late nor the requests after it."""
    batch_s = times.expected_s(batch[0].request, len(batch))
    unknown = batch_s == 0.0 and any(one.request.deadline_s > 0.0 for one in (*batch, *lines))
    if unknown or not all(is_in_time(one, now_s + batch_s) for one in batch):
        return False
    in_turn_s = now_s + times.expected_s(batch[0].request)
    at_s = now_s + batch_s
    for one in lines:
        own_s = times.expected_s(one.request)
        in_turn_s += own_s
        if one not in batch:
            at_s += own_s
            if is_in_time(one, in_turn_s) and not is_in_time(one, at_s):
                return False
    return True
