# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Look at this machine's processor: frequency governors, heat and quotas, as the kernel shows them in /sys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from neurosurgeon_ros.doctor.facts import MachineFacts


@dataclass(frozen=True, slots=True)
class Counters:
    """
    Counters that only grow; None: the kernel does not show them.

    :param throttled: events of all cores.
    :param quota_us: microseconds for which a quota stopped this process's group.
    """

    throttled: int | None
    quota_us: int | None


def read_counters(root: Path = Path("/")) -> Counters:
    """
    Read the counters of heat and quotas.

    :param root: folder that holds `sys` and `proc`.
    """
    heat = [_number(path) for path in root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")]
    seen = [number for number in heat if number is not None]
    return Counters(sum(seen) if seen else None, _quota_us(root))


def look_at_machine(before: Counters, root: Path = Path("/")) -> MachineFacts:
    """
    Return what the kernel shows of the processor.

    :param before: the counters at the beginning.
    :param root: folder that holds `sys` and `proc`.
    """
    now = read_counters(root)
    folders = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq"))
    caps = [
        allowed / possible
        for folder in folders
        if (allowed := _number(folder / "scaling_max_freq")) and (possible := _number(folder / "cpuinfo_max_freq"))
    ]
    return MachineFacts(
        governors=_texts(folders, "scaling_governor"),
        driver=", ".join(_texts(folders, "scaling_driver")),
        preference=", ".join(_texts(folders, "energy_performance_preference")),
        throttled=_grown(before.throttled, now.throttled),
        quota_throttled_s=None if (grown := _grown(before.quota_us, now.quota_us)) is None else grown / 1e6,
        capped=min(caps, default=None),
    )


def _grown(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else max(0, now - before)


def _quota_us(root: Path) -> int | None:
    """Return the time for which the group of this process was stopped, of version 2 of control groups."""
    group = re.search(r"^0::(/.*)$", _text(root / "proc/self/cgroup"), re.MULTILINE)
    path = root / "sys/fs/cgroup" / (group[1].strip("/") if group else "") / "cpu.stat"
    found = re.search(r"^throttled_usec (\d+)$", _text(path), re.MULTILINE)
    return int(found[1]) if found else None


def _texts(folders: list[Path], name: str) -> tuple[str, ...]:
    return tuple(sorted({text for folder in folders if (text := _text(folder / name))}))


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isdigit() else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
