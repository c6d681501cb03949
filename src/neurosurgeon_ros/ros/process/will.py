# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
What a node that begins again has to know: its parameters, its state, and what its predecessor leaves to it.

Within a process it is handed on as it is. To the program that takes the process's place it travels as text, in an
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

#: The environment variable.
VARIABLE = "NEUROSURGEON_WILL"


@dataclass(frozen=True, slots=True)
class Will:
    """
    Makes a node again.

    :param parameters: all that it has.
    :param state: label of its lifecycle state: unconfigured, inactive or active.
    :param legacy: what it leaves, see :meth:`neurosurgeon_ros.ros.managed.ManagedNode.legacy`.
    """

    parameters: tuple[Parameter, ...]
    state: str
    legacy: bytes = b""

    def to_text(self) -> str:
        """Return it as text, for :meth:`from_text`."""
        values = {one.name: [one.type_.value, _plain(one.value)] for one in self.parameters}
        legacy = base64.b64encode(self.legacy).decode()
        return json.dumps({"parameters": values, "state": self.state, "legacy": legacy})

    @classmethod
    def from_text(cls, text: str) -> Will:
        """
        Return what :meth:`to_text` has written.

        :raises ValueError: if the text is none of its.
        """
        try:
            fields = json.loads(text)
            parameters = tuple(
                Parameter(name, Parameter.Type(kind), _typed(Parameter.Type(kind), value))
                for name, (kind, value) in fields["parameters"].items()
            )
            return cls(parameters, str(fields["state"]), base64.b64decode(fields["legacy"], validate=True))
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ValueError(
                f"{VARIABLE} is not what a node leaves to its successor ({problem}): remove it from the environment"
            ) from None


def transport_left(environment: Mapping[str, str] = os.environ) -> Transport:
    """Return the transport that this process is to use: UDP alone if another program left its node to this one."""
    return Transport.UDP if VARIABLE in environment else Transport.AUTO


def take_will() -> Will | None:
    """
    Return what was left to this process, once; None if nothing was.

    :raises ValueError: if the environment variable holds something else.
    """
    text = os.environ.pop(VARIABLE, None)
    return None if text is None else Will.from_text(text)


def _plain(value: object) -> object:
    """Return a parameter's value as JSON has it."""
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        return list(b"".join(value))
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else value


def _typed(kind: Parameter.Type, value: object) -> object:
    """Return a parameter's value as rclpy has it."""
    if kind is Parameter.Type.BYTE_ARRAY and isinstance(value, list):
        return [bytes([one]) for one in value]
    return value
