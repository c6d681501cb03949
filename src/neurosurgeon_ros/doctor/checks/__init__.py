# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""All checks, in the order of the screen: a cause stands before its consequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from neurosurgeon_ros.doctor.checks.discovery import discovery, domain
from neurosurgeon_ros.doctor.checks.images import images
from neurosurgeon_ros.doctor.checks.link import clocks, link_loss, link_rate
from neurosurgeon_ros.doctor.checks.machine import governor, throttling
from neurosurgeon_ros.doctor.checks.network import calibration, edge_load, model
from neurosurgeon_ros.doctor.checks.reports import reports
from neurosurgeon_ros.doctor.checks.transport import messages, quality_of_service, transports
from neurosurgeon_ros.doctor.facts import Facts
from neurosurgeon_ros.doctor.finding import Finding

_CHECKS: Final[tuple[Callable[[Facts], Finding], ...]] = (
    domain,
    discovery,
    transports,
    quality_of_service,
    messages,
    images,
    model,
    calibration,
    clocks,
    link_rate,
    link_loss,
    edge_load,
    governor,
    throttling,
)


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return the findings of all checks."""
    findings = tuple(check(facts) for check in _CHECKS)
    return (*findings, *reports(facts, findings))
