# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Who is there: the edge as a robot sees it, and the robots as an edge sees them. Both live by what they last heard."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass

#: Seconds without a status after which an edge is gone: three of its 2 Hz statuses.
EDGE_TIMEOUT_S = 1.5

#: Seconds without a hello after which a robot's id is free again.
ROBOT_TIMEOUT_S = 2.0

#: Longest robot id, as bounded in the messages.
MAX_ID_LENGTH = 64


def to_id(name: str) -> str:
    """
    Reduce a name, such as a node's fully qualified one, to an id that can be a part of a topic's name.

    It becomes lower case, runs of anything but [a-z0-9] become one underscore, and a digit does not come first.

    :raises ValueError: if nothing is left of it.

    >>> to_id("/Robot1/front-camera")
    'robot1_front_camera'
    >>> to_id("7")
    'id_7'
    """
    text = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    if not text:
        raise ValueError(f"the id {name!r} holds none of a-z and 0-9: give one that does")
    return (f"id_{text}" if text[0].isdigit() else text)[:MAX_ID_LENGTH]


def is_id(text: str) -> bool:
    """Whether a text from the network can be an id, and so a part of a topic's name."""
    return re.fullmatch(r"[a-z][a-z0-9_]{0,63}", text) is not None and "__" not in text


def new_secret() -> str:
    """Make the secret of a session, 64 hexadecimal digits: only its owner can end the session early."""
    return secrets.token_hex(32)


def session_of(secret: str) -> int:
    """
    Return the number of the session that a secret opens and ends, 64 bits.

    The number is public, and the secret cannot be computed from it.
    """
    return int.from_bytes(hashlib.sha256(secret.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class EdgeReport:
    """
    What an edge says of itself; see neurosurgeon_ros/EdgeStatus.

    :param models: name by fingerprint of each model that it serves.
    :param robots: the session that holds each robot id.
    """

    edge_id: str
    session: int
    models: dict[str, str]
    robots: dict[str, int]
    queue_length: int = 0
    load: float = 0.0
