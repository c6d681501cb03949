# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Two network namespaces whose link replays a recorded one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import Any

from neurosurgeon_ros.simulation.link_files import ROW_S
from testbed.forwarder import Counts
from testbed.network import NamespaceNetwork, NetworkProblem, Side
from testbed.processes import HOME
from testbed.traces import QUEUE_S, Trace

#: Seconds that the forwarder has to end by itself.
_GRACE_S = 2.0


class TraceNetwork(NamespaceNetwork):
    """Two network namespaces joined by :mod:`testbed.forwarder`, which limits the rate from robot to edge."""

    in_words = "two network namespaces; packets from robot to edge pass at the recorded rates, packets back at once"

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self._forwarder: subprocess.Popen[str] | None = None

    def set_rate(self, mbps: float | None) -> None:
        """Limit the rate from robot to edge, in Mbit/s; None: 1 Gbit/s."""
        rate = 1000.0 if mbps is None else mbps
        self._ask({"mbps": [rate], "row_s": 1.0, "limit_bytes": round(QUEUE_S * 1e6 * rate / 8.0)})

    def replay(self, trace: Trace) -> float:
        """
        Begin to replay a recorded link, and to count anew. It repeats after its end.

        :returns: the monotonic time at which it begins.
        """
        self._ask({})
        return float(self._ask({"mbps": trace.mbps, "row_s": ROW_S, "limit_bytes": trace.queue_bytes}))

    def counts(self) -> Counts:
        """Return what the link has carried from robot to edge since the last call."""
        return Counts(**json.loads(self._ask({})))

    def close(self) -> None:
        """Remove everything. It may be called more than once."""
        forwarder, self._forwarder = self._forwarder, None
        if forwarder is not None:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                forwarder.communicate(timeout=_GRACE_S)
            forwarder.kill()
            forwarder.wait()
        super().close()

    def _join(self) -> None:
        devices = [self._device(side) for side in Side]
        self._forwarder = subprocess.Popen(
            [sys.executable, "-m", "testbed.forwarder", *devices],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=HOME,
            start_new_session=True,
        )
        if self._answer() != "ready":
            raise NetworkProblem(f"the link's TAP devices cannot be created ({self._errors()}): use a kernel with tun")

    def _ask(self, wanted: dict[str, Any]) -> str:
        assert self._forwarder is not None
        assert self._forwarder.stdin is not None
        try:
            self._forwarder.stdin.write(json.dumps(wanted) + "\n")
            self._forwarder.stdin.flush()
        except OSError:
            pass
        answer = self._answer()
        if not answer:
            raise NetworkProblem(f"the process that forwards the link's packets has ended ({self._errors()})")
        return answer

    def _answer(self) -> str:
        assert self._forwarder is not None
        assert self._forwarder.stdout is not None
        return self._forwarder.stdout.readline().strip()

    def _errors(self) -> str:
        assert self._forwarder is not None
        assert self._forwarder.stderr is not None
        lines = self._forwarder.stderr.read().strip().splitlines()
        return lines[-1] if lines else "no reason given"
