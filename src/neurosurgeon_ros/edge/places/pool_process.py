# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The edge's side of one worker of the pool: its process, its connection, and the memory that both share."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch.utils import _pytree as pytree

from neurosurgeon_ros.edge.places.place import Ran
from neurosurgeon_ros.edge.places.pool_worker import JOB
from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.places.tensor_memory import InputMemory, TensorMemory
from neurosurgeon_ros.inference.engine import Engine

#: A worker that has not answered for this many seconds is stuck, and is killed.
STUCK_S = 30

#: Seconds for which a worker may end by itself.
END_S = 2.0


class WorkerLost(Exception):
    """The worker ended, or is stuck, while it ran a job."""


class BackEndFailed(RuntimeError):
    """A back-end raised an error in a worker."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setup:
    """
    What a worker is told at its start.

    :param threads: number of torch threads.
    :param requests: maximum number of requests in a run.
    :param try_batches: largest batch that the worker tries, to find out which are useful; 1: none.
    """

    source: NetworkSource
    threads: int
    requests: int
    try_batches: int = 1


class WorkerProcess:
    """
    A process that runs one job at a time; its methods must not be called from two threads at once.

    :param engine: the network, whose partition points the worker shares.
    :param structure: structure of the network's outputs.
    :param environment: environment variables that differ from the edge's.

    :ivar is_ready: whether it has loaded its network.
    :ivar pidfd: file descriptor that becomes readable when the process has ended.
    """

    def __init__(
        self, engine: Engine, structure: pytree.TreeSpec, setup: Setup, environment: Mapping[str, str]
    ) -> None:
        self.is_ready = False
        self._structure = structure
        inputs, outputs = os.memfd_create("inputs"), os.memfd_create("outputs")
        ours, theirs = socket.socketpair()
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, inputs)
            undo.callback(os.close, outputs)
            undo.callback(theirs.close)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", STUCK_S, 0))
            points = [point.tensors for point in engine.partitioned.points]
            self._inputs = InputMemory(inputs, points, setup.requests)
            self._outputs_fd = os.dup(outputs)
            self._outputs = TensorMemory(self._outputs_fd)
            fds = (theirs.fileno(), inputs, outputs)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "neurosurgeon_ros.edge.places.pool_worker", *map(str, fds)],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                process_group=0,  # an interrupt on the terminal is for the edge, which stops its workers
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
            )
        self.pidfd = os.pidfd_open(self._process.pid)
        self.connection = Connection(ours.detach())
        with contextlib.suppress(OSError):  # its end is noticed by its pidfd
            self.connection.send_bytes(json.dumps(dataclasses.asdict(setup)).encode())

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def hello(self) -> dict[str, Any]:
        """
        Return what the worker says after it has loaded its network, when its connection is readable.

        :raises WorkerLost: it ended.
        """
        message = self._receive()
        self.is_ready = "error" not in message
        return message

    def run(self, point: int, many: Sequence[Sequence[torch.Tensor]]) -> Ran:
        """
        Run a back-end; see :class:`.place.Place`.

        :raises WorkerLost: the worker has no answer; the job may be given to another one.
        :raises BackEndFailed: the back-end raised an error.
        """
        begin = time.perf_counter()
        for index, tensors in enumerate(many):
            for place, tensor in zip(self._inputs.tensors(point, index), tensors, strict=True):
                place.copy_(tensor)
        try:
            self.connection.send_bytes(JOB.pack(point, len(many)))
        except OSError:
            raise WorkerLost from None
        answer = self._receive()
        if "error" in answer:
            raise BackEndFailed(answer["error"])
        leaves, outputs = iter(self._outputs.load(answer["leaves"])), []
        for number in answer["each"]:
            outputs.append(pytree.tree_unflatten([next(leaves) for _ in range(number)], self._structure))
        compute_s: float = answer["compute_s"]
        return Ran(outputs, compute_s, time.perf_counter() - begin - compute_s)

    def _receive(self) -> dict[str, Any]:
        try:
            message: dict[str, Any] = json.loads(self.connection.recv_bytes())
        except BlockingIOError:  # it is stuck
            self._process.kill()
            raise WorkerLost from None
        except (EOFError, OSError):
            raise WorkerLost from None
        return message

    def close(self) -> str:
        """End the process if it has not ended, free its memory, and return how it ended."""
        self.connection.close()
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        os.close(self.pidfd)
        os.close(self._outputs_fd)
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def environment_of(number: int, gpus: int) -> dict[str, str]:
    """
    Return the environment variables of a worker.

    :param number: its number, from 0.
    :param gpus: number of GPUs that the workers share, each worker one of them; 0: none.
    """
    environment = {"OMP_WAIT_POLICY": "PASSIVE"}
    if gpus:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(gpus)))
        environment["CUDA_VISIBLE_DEVICES"] = visible.split(",")[number % gpus]
    return environment
