# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The state from which a node is made again: its parameters, its lifecycle state, and the data that it hands over.

Within a process, the object is passed on as it is. A program that replaces the process receives it as text, in an
environment variable.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from rclpy.parameter import Parameter

from neurosurgeon_ros.ros.process.dds import Transport

#: Name of the environment variable.
VARIABLE = "NEUROSURGEON_RESTART_STATE"


@dataclass(frozen=True, slots=True)
class RestartState:
    """
    The state from which a node is made again.

    :param parameters: all parameters of the node.
    :param state: label of its lifecycle state: unconfigured, inactive or active.
    :param handover: other data that it hands over, see :meth:`neurosurgeon_ros.ros.managed.ManagedNode.handover`.
    """

    parameters: tuple[Parameter, ...]
    state: str
    handover: bytes = b""

    def to_text(self) -> str:
        """Return the state as text, for :meth:`from_text`."""
        values = {one.name: [one.type_.value, _plain(one.value)] for one in self.parameters}
        handover = base64.b64encode(self.handover).decode()
        return json.dumps({"parameters": values, "state": self.state, "handover": handover})

    @classmethod
    def from_text(cls, text: str) -> RestartState:
        """
        Return the state that :meth:`to_text` has written.

        :raises ValueError: if the text is not such a state.
        """
        try:
            fields = json.loads(text)
            parameters = tuple(
                Parameter(name, Parameter.Type(kind), _typed(Parameter.Type(kind), value))
                for name, (kind, value) in fields["parameters"].items()
            )
            return cls(parameters, str(fields["state"]), base64.b64decode(fields["handover"], validate=True))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ValueError(
                f"{VARIABLE} is not the restart state of a node ({problem}): remove it from the environment"
            ) from None


def transport_left(environment: Mapping[str, str] = os.environ) -> Transport:
    """Return the transport for this process: UDP only, if another program left its node to this one."""
    return Transport.UDP if VARIABLE in environment else Transport.AUTO


def take_restart_state() -> RestartState | None:
    """
    Return the restart state that was left to this process, once; None if there is none.

    :raises ValueError: if the environment variable holds something else.
    """
    text = os.environ.pop(VARIABLE, None)
    return None if text is None else RestartState.from_text(text)


def _plain(value: object) -> object:
    """Return a parameter's value in the form that JSON stores."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        return list(b"".join(value))
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value


def _typed(kind: Parameter.Type, value: object) -> object:
    """Return a parameter's value in the form that rclpy uses."""
    if kind is Parameter.Type.BYTE_ARRAY and isinstance(value, list):
        return [bytes([one]) for one in value]
    return value
