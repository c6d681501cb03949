# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
A worker of the pool: a process that runs back-ends for an edge on the same computer.

It is started by :mod:`.pool_process`, and ends as soon as the edge's end of its connection is closed, which the kernel
does even if the edge was killed.
"""

from __future__ import annotations

import json
import os
import select
import struct
import sys
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch.utils import _pytree as pytree

from neurosurgeon_ros.edge.places.source import NetworkSource
from neurosurgeon_ros.edge.places.tensor_memory import InputMemory, TensorMemory
from neurosurgeon_ros.inference.batching import try_batches
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.inference.threads import use_threads

#: A job on the connection: partition point, and number of requests.
JOB = struct.Struct("<HH")

#: Seconds without a job after which the worker prepares optimisations.
IDLE_S = 0.05


def main(arguments: Sequence[str]) -> int:
    """
    Run jobs until the connection is closed.

    :param arguments: file descriptors of the connection, of the memory of inputs, and of that of outputs.
    :returns: exit code.
    """
    connection, inputs_fd, outputs_fd = int(arguments[0]), int(arguments[1]), int(arguments[2])
    threading.Thread(target=_end_with_the_edge, args=(connection,), daemon=True).start()
    link = Connection(connection)
    try:
        setup = json.loads(link.recv_bytes())
        use_threads(setup["threads"])
        with torch.inference_mode():
            try:
                engine = NetworkSource(**setup["source"]).load()
                engine.warm_up()
                batching = try_batches(engine, largest=setup["try_batches"], threads=setup["threads"])
            except Exception as problem:
                text = str(problem) if isinstance(problem, ValueError) else f"{type(problem).__name__}: {problem}"
                _send(link, {"error": text})
                return 1
            points = [point.tensors for point in engine.partitioned.points]
            inputs, outputs = InputMemory(inputs_fd, points, setup["requests"]), TensorMemory(outputs_fd)
            stretch = [[p, list(sizes.items())] for p, sizes in batching.stretch.items()]
            _send(link, {"fingerprint": engine.fingerprint, "torch": torch.__version__, "stretch": stretch})
            while True:
                if not link.poll(IDLE_S):
                    engine.prepare()
                _send(link, _run(engine, inputs, outputs, *JOB.unpack(link.recv_bytes())))
    except (EOFError, OSError):
        return 0


def _run(engine: Engine, inputs: InputMemory, outputs: TensorMemory, point: int, number: int) -> dict[str, Any]:
    """Run one job. Return its seconds and where the outputs of each request lie, or the error."""
    try:
        begin = time.perf_counter()
        many = [inputs.tensors(point, index) for index in range(number)]
        made = engine.run_back_together(many, point)
        compute_s = time.perf_counter() - begin
        leaves = [pytree.tree_leaves(one) for one in made]
        return {
            "compute_s": compute_s,
            "each": [len(one) for one in leaves],
            "leaves": outputs.store([leaf for one in leaves for leaf in one]),
        }
    except Exception as problem:  # one request must not stop the worker
        return {"error": f"{type(problem).__name__}: {problem}"}


def _send(link: Connection, message: dict[str, Any]) -> None:
    link.send_bytes(json.dumps(message).encode())


def _end_with_the_edge(connection: int) -> None:
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
