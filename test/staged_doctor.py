# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Runs ``neurosurgeon doctor`` beside the nodes of a test."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import Processes, wait_for

ROBOT = ("robot_node", "--ros-args", "-p", "threads:=1", "-p", "codecs:=[uint8]")
EDGE = ("edge_node", "--ros-args", "-p", "threads:=1", "-p", "max_batch:=1")
CAMERA = ("video_node", "--ros-args", "-p", "rate_hz:=2.0")

#: Checks of this machine, which a test cannot stage: other programs run on it.
OF_MACHINE = ("CPU governor", "throttling")


@dataclass(frozen=True)
class Diagnosis:
    """
    What the doctor said.

    :param status: its exit status
    :param screen: its output
    :param findings: state, text and remedy of each check, by name
    :param seconds: how long it looked
    """

    status: int
    screen: str
    findings: Mapping[str, Mapping[str, str]]
    seconds: float

    @property
    def wrong(self) -> list[str]:
        """Return the names of the checks that ask for an action, apart from those of the machine."""
        return [
            name
            for name, one in self.findings.items()
            if one["state"] in ("warning", "error") and name not in OF_MACHINE
        ]

    def what(self, name: str) -> str:
        return self.findings[name]["what"]

    def remedy(self, name: str) -> str:
        return self.findings[name]["what_to_do"]


def diagnose(
    processes: Processes,
    folder: Path,
    *options: str,
    command: Callable[[Sequence[str]], Sequence[str]] = tuple,
    environment: Mapping[str, str] | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Diagnosis:
    """
    Run the doctor and return what it said.

    :param command: puts it into a namespace
    :param meanwhile: called again and again while it runs
    """
    file = folder / "doctor.json"
    file.unlink(missing_ok=True)
    words = command(["neurosurgeon", "doctor", "--json", str(file), *options])
    doctor = processes.start(*words, environment=environment)

    def ended() -> bool:
        meanwhile()
        return doctor.popen.poll() is not None

    wait_for(ended, 60.0, "the doctor")
    assert file.exists(), doctor.output
    content = json.loads(file.read_text())
    findings = {one.pop("name"): one for one in content["findings"]}
    return Diagnosis(doctor.popen.wait(), doctor.output, findings, content["seconds"])
