# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The helpers in test/support.py."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import support
from support import Processes, private_domain

PRINTING = "import os; print('domain', os.environ['ROS_DOMAIN_ID']); print('up')\n"
WAITING = PRINTING + "import signal; signal.pause()\n"
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + WAITING


def test_domains_are_held_one_by_one(tmp_path: Path) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(private_domain(tmp_path)) for _ in support.DOMAINS]
        assert sorted(held) == list(support.DOMAINS)
        with pytest.raises(RuntimeError, match="from 1 to 100 are held"), private_domain(tmp_path):
            pass
    with private_domain(tmp_path):
        pass


def test_processes_share_the_domain_and_end_when_asked(processes: Processes, ros_domain: int) -> None:
    process = processes.start(sys.executable, "-c", WAITING)
    process.wait_for_output("up")
    assert f"domain {ros_domain}\n" in process.output
    assert process.end(signal.SIGTERM) == -signal.SIGTERM


def test_stubborn_process_is_killed(processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", STUBBORN)
    process.wait_for_output("up")
    assert process.end(timeout=0.1) == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        os.kill(process.popen.pid, 0)


def test_waiting_ends_with_the_process(processes: Processes) -> None:
    process = processes.start(sys.executable, "-c", PRINTING)
    with pytest.raises(TimeoutError, match="ended with 0 before it printed 'down'"):
        process.wait_for_output("down")


def test_signal_at_the_very_start_is_kept(processes: Processes) -> None:
    answer = (
        "import signal\nasked = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: asked.append(print('asked', flush=True)))\n"
    )
    lift = "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])\n"
    stay = "import time\nwhile not asked: time.sleep(0.01)\n"
    process = processes.start(sys.executable, "-c", answer + lift + stay, keep_signals=True)
    process.send(signal.SIGTERM)
    process.wait_for_output("asked")
    assert process.popen.wait(10) == 0
