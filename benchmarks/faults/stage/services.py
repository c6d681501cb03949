# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Calls of services of a stage's nodes, from a thread that does not spin."""

from __future__ import annotations

import threading
from typing import Any

from rcl_interfaces.srv import SetParametersAtomically
from rclpy.node import Node
from rclpy.parameter import Parameter

#: Maximum number of seconds for a call.
CALL_S = 10.0


class CallError(Exception):
    """A service does not answer, or refuses. The message is one sentence."""


def call(node: Node, kind: Any, name: str, request: Any) -> Any:
    """
    Call a service, and return its response.

    :param node: a node that another thread spins.
    :raises CallError: if the service does not answer within :data:`CALL_S`.
    """
    client = node.create_client(kind, name)
    try:
        if not client.wait_for_service(CALL_S):
            raise CallError(f"there is no service {name}")
        answered = threading.Event()
        future = client.call_async(request)
        future.add_done_callback(lambda _: answered.set())
        if not answered.wait(CALL_S):
            raise CallError(f"{name} did not answer within {CALL_S:g} s")
        return future.result()
    finally:
        node.destroy_client(client)


def set_parameters(node: Node, of: str, **values: Any) -> None:
    """
    Set parameters of a running node.

    :param of: name of the node.
    :raises CallError: if the node does not answer, or refuses them.
    """
    parameters = [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
    request = SetParametersAtomically.Request(parameters=parameters)
    result = call(node, SetParametersAtomically, f"{of}/set_parameters_atomically", request).result
    if not result.successful:
        raise CallError(f"{of} refused {values}: {result.reason}")
