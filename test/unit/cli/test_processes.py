# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The surroundings of a run: its ROS domain, its signals, and the processes that it ends."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import wait_for

from neurosurgeon_ros.cli.demo.children import Child, ask_to_end, wait_for_end
from neurosurgeon_ros.cli.demo.domain import private_domain
from neurosurgeon_ros.cli.demo.session import Interrupt
from neurosurgeon_ros.diagnostics.monitor import to_seen_decision
from neurosurgeon_ros.diagnostics.records import SeenDecision
from neurosurgeon_ros.msg import PartitionDecision


def child(tmp_path: Path, program: str) -> Child:
    log = tmp_path / "node.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=stream, stderr=stream, start_new_session=True
        )
    wait_for(lambda: log.stat().st_size > 0, 10.0, "its first words")
    return Child("node", process, log)


def test_two_runs_do_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)
    with private_domain() as first, private_domain() as second:
        assert first["ROS_DOMAIN_ID"] != second["ROS_DOMAIN_ID"]
        assert first["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"


def test_a_domain_that_the_user_has_chosen_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    with private_domain() as environment:
        assert environment == {}


def test_an_end_is_asked_for_and_waited_for(tmp_path: Path) -> None:
    node = child(
        tmp_path,
        "import signal, sys\nsignal.signal(2, lambda *_: sys.exit(0))\nprint('up', flush=True)\nsignal.pause()",
    )
    wait_for_end([node], ask_to_end([node]) + 20.0)
    assert node.process.returncode == 0


def test_who_does_not_end_is_killed(tmp_path: Path) -> None:
    node = child(
        tmp_path, "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(100)"
    )
    ask_to_end([node])
    wait_for_end([node], time.monotonic())
    assert node.process.returncode == -signal.SIGKILL


def test_last_words_are_said_without_the_prefix(tmp_path: Path) -> None:
    node = child(
        tmp_path, "print('[INFO] [1.0] [x]: up'); print('[FATAL] [1.2] [node]: no weights: get them\\n')\nexit(1)"
    )
    node.process.wait()
    assert node.last_words == "no weights: get them"
    assert node.end_in_words.startswith("node has ended with exit code 1: no weights: get them (see ")


def test_signals_are_held_back_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupt.requested.wait(10.0)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_decision_is_seen_with_every_field_of_the_message() -> None:
    names = {field.name for field in dataclasses.fields(SeenDecision)}
    assert names == set(PartitionDecision.get_fields_and_field_types())

    message = PartitionDecision(arm="pool4/fp32", outcome=PartitionDecision.FALLBACK, total_delay=0.25, key_frame=True)
    message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id = 3, 4, "front"
    seen = to_seen_decision(message)
    assert seen.header == (3_000_000_004, "front")
    assert (seen.arm, seen.outcome, seen.total_delay, seen.key_frame) == ("pool4/fp32", "fallback", 0.25, True)
