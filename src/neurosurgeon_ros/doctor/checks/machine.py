# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Whether this machine's processor runs at its speed."""

from __future__ import annotations

from neurosurgeon_ros.doctor.facts import Facts
from neurosurgeon_ros.doctor.finding import Finding, ok, skipped, warning

GOVERNOR, THROTTLING = "CPU governor", "throttling"

#: Drivers with which `powersave` scales with the load, and how eagerly is a preference.
_SCALE_ALONE = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")

#: Governors and preferences that keep the processor slow.
_SLOW_GOVERNORS, _SLOW_PREFERENCES = ("powersave", "conservative", "userspace"), ("power", "balance_power")

#: Share of the highest frequency that must be allowed, and seconds for which a quota may stop a process unnoticed.
_CAPPED, _STOPPED_S = 0.9, 0.05


def governor(facts: Facts) -> Finding:
    """Check that the kernel does not keep the processor's frequency low."""
    seen = facts.machine
    if not seen.governors:
        return skipped(GOVERNOR, "the kernel shows none, as in a virtual machine")
    listed = f"{', '.join(seen.governors)} ({seen.driver or 'unknown driver'})"
    alone = seen.driver in _SCALE_ALONE
    preferences = set(seen.preference.split(", "))
    slow = preferences & set(_SLOW_PREFERENCES) if alone else set(seen.governors) & set(_SLOW_GOVERNORS)
    if slow and alone:
        return warning(
            GOVERNOR,
            f"{listed} prefers {', '.join(sorted(slow))}",
            "run `sudo cpupower set --epp performance` while the robot works",
        )
    if slow:
        return warning(GOVERNOR, listed, "run `sudo cpupower frequency-set -g performance` while the robot works")
    if seen.capped is not None and seen.capped < _CAPPED:
        return warning(
            GOVERNOR,
            f"{listed}, and the frequency is limited to {seen.capped:.0%} of the highest",
            "run `sudo cpupower frequency-set -u` with the highest frequency, or change the power mode",
        )
    return ok(GOVERNOR, listed)


def throttling(facts: Facts) -> Finding:
    """Check that neither heat nor a quota slowed the processor down while this command looked."""
    seen = facts.machine
    if seen.throttled:
        return warning(
            THROTTLING,
            f"heat slowed the processor down {seen.throttled} times while this command looked",
            "cool it, or lower its frequency so that its speed stays the same",
        )
    if seen.quota_throttled_s is not None and seen.quota_throttled_s > _STOPPED_S:
        return warning(
            THROTTLING,
            f"a processor quota stopped processes for {seen.quota_throttled_s:.1f} s while this command looked",
            "raise the quota (--cpus of the container, CPUQuota of the service)",
        )
    known = [
        word for word, value in (("heat", seen.throttled), ("a quota", seen.quota_throttled_s)) if value is not None
    ]
    if not known:
        return skipped(THROTTLING, "the kernel shows neither heat nor a quota")
    return ok(THROTTLING, f"none by {' or '.join(known)}")
