# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Subscriptions to topics on which any node may publish. Messages are checked against limits before they are read.

Messages arrive as bytes. Their size and every count in them are checked before memory is allocated for the contents
that they claim, and bytes that are not a message are counted instead of disappearing silently. The bounds that a
message's type declares (``string<=64``) are also checked here: Fast DDS does not enforce them on received messages.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.serialization import deserialize_message
from rclpy.subscription import Subscription
from rosidl_parser.definition import AbstractNestedType, BoundedSequence, BoundedString, NamespacedType

from neurosurgeon_ros.ros import qos
from neurosurgeon_ros.ros.cdr import Malformed, walk, without_last
from neurosurgeon_ros.ros.messages import InvalidMessage

#: Maximum size of a presence or delay message, bytes: names, numbers and short lists of them.
SMALL_BYTES = 65536

#: Maximum size of an edge's detections of one frame, bytes: room for more than a thousand detections.
DETECTIONS_BYTES = 1048576

#: Maximum length of text from another node in a log message, characters.
LONGEST_TEXT = 300

#: Seconds between two log messages about rejected messages.
LOG_PERIOD_S = 5.0


# The number of a message where the middleware counts none.
_NO_NUMBER = 2**64 - 1

#: Policies that parameters may override, as in QoSOverridingOptions.with_default_policies.
_OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY)


class Intake:
    """
    The subscriptions of one node to topics on which any node may publish.

    :ivar refused: number of rejected messages, by reason.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.refused: Counter[str] = Counter()

    def subscribe(
        self,
        kind: type[Any],
        topic: str,
        take: Callable[[Any], object],
        profile: QoSProfile,
        *,
        max_bytes: int,
        on_refusal: Callable[[str], object] | None = None,
        overridable: bool = False,
        pixels: bool = False,
        on_number: Callable[[int | None], object] | None = None,
    ) -> Subscription:
        """
        Subscribe to a topic; call only from the executor's thread.

        After the subscription is destroyed, no message is taken, even if the executor already had one ready when the
        transition destroyed the subscription.

        :param kind: the message's type.
        :param take: called with each message that is within its limits; may raise :class:`InvalidMessage`.
        :param max_bytes: maximum serialized size of a message.
        :param on_refusal: called with the reason for each rejected message, in one sentence, instead of a log message.
        :param pixels: see :func:`read`.
        :param on_number: called before `take` with the number that the middleware counts for each message of its
            publisher; None if it counts none. Numbers of messages that were lost on the way are missing.
        :param overridable: whether parameters `qos_overrides.<topic>.subscription.…` may change the quality of service.
        """

        def receive(data: bytes) -> None:
            if not any(one is subscription for one in self._node.subscriptions):
                return
            try:
                take(read(kind, data, max_bytes=max_bytes, pixels=pixels))
            except InvalidMessage as problem:
                self.refuse(problem.reason, str(problem), on_refusal)

        options = QoSOverridingOptions(overridden_policies(self._node, topic, "subscription")) if overridable else None
        profile = copy.copy(profile)  # rclpy writes overrides into the profile, which other topics share
        subscription: Subscription = self._node.create_subscription(
            kind,
            topic,
            receive if on_number is None else _Numbered(on_number, receive),
            profile,
            raw=True,
            qos_overriding_options=options,
            event_callbacks=qos.QUIET_SUBSCRIPTION,
        )
        return subscription

    def refuse(self, reason: str, text: str, on_refusal: Callable[[str], object] | None = None) -> None:
        """
        Count a rejected message, and report it to `on_refusal`, or to the log at most every :data:`LOG_PERIOD_S`.

        :param reason: one or two words, for the count.
        :param text: one sentence, for users.
        """
        self.refused[reason] += 1
        text = shorten(text)
        if on_refusal is not None:
            on_refusal(text)
        else:
            self._node.get_logger().error(f"refused: {text}", throttle_duration_sec=LOG_PERIOD_S)

    def diagnostics(self) -> dict[str, object]:
        """Return the counts by reason, for display."""
        return {f"refused: {reason}": count for reason, count in sorted(self.refused.items())}


class _Numbered:
    """
    A subscription's callback that takes a message with what the middleware says about it.

    rclpy's executors give two arguments, and its events executor one pair of them, as of Jazzy. So this takes both, and
    has a signature, by which rclpy recognises it.
    """

    __signature__ = inspect.signature(lambda data, info: None)

    def __init__(self, on_number: Callable[[int | None], object], receive: Callable[[bytes], object]) -> None:
        self._on_number = on_number
        self._receive = receive

    def __call__(self, *given: Any) -> None:
        data, info = given if len(given) > 1 else given[0]
        number = info.get("publication_sequence_number")
        self._on_number(number if isinstance(number, int) and 0 < number < _NO_NUMBER else None)
        self._receive(data)


def overridden_policies(node: Node, topic: str, entity: str) -> list[QoSPolicyKind]:
    """
    Return the policies that parameters `qos_overrides.<topic>.<entity>.<policy>` set for a topic.

    By default, rclpy would declare parameters for all policies, and use the first profile's values for every later one.

    :param entity: "publisher" or "subscription".
    """
    given = f"qos_overrides.{node.resolve_topic_name(topic)}.{entity}."
    names = {name.removeprefix(given) for name in node._parameter_overrides if name.startswith(given)}
    return [kind for kind in _OVERRIDABLE if kind.name.lower() in names]


def read(kind: type[Any], data: bytes, *, max_bytes: int, pixels: bool = False) -> Any:
    """
    Deserialize a message.

    :param pixels: the type ends with a field `data` of bytes, which may be large. The field becomes a view of `data`,
        not a copy, so the message can be read but not published.
    :raises InvalidMessage: if there are too many bytes, they are not a message of this type, or a field exceeds its
        type's bound.
    """
    if len(data) > max_bytes:
        raise InvalidMessage(
            f"{kind.__name__} has {len(data)} bytes, at most {max_bytes} are accepted", reason="too large"
        )
    try:
        if pixels:
            rest, seen = without_last(kind, data)
            message = deserialize_message(rest, kind)
            message._data = seen  # its setter would copy it
        else:
            walk(kind, data)
            message = deserialize_message(data, kind)
    except Malformed as problem:
        reason = "too long" if problem.too_long else "not decodable"
        raise InvalidMessage(
            f"{len(data)} bytes came that are no {kind.__name__}: it {problem}", reason=reason
        ) from None
    except Exception as problem:  # the middleware's errors have no common type
        raise InvalidMessage(
            f"{len(data)} bytes came that are no {kind.__name__}: {problem}", reason="not decodable"
        ) from None
    _check_bounds(message)
    return message


def shorten(text: str) -> str:
    """Return text from another node as one short, printable line."""
    text = text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def without_numbers(text: str) -> str:
    """
    Return what a text has in common with others that differ from it only in numbers.

    >>> without_numbers("the jpeg image has 11920 bytes and no end")
    'the jpeg image has # bytes and no end'
    """
    return re.sub(r"\b\d+\b", "#", text)


# Filled once for each message type.
_BOUNDS: dict[type[Any], tuple[tuple[str, tuple[int, int | None] | None], ...]] = {}


def _check_bounds(message: Any) -> None:
    kind = type(message)
    if kind not in _BOUNDS:
        _BOUNDS[kind] = _bounds(kind)
    for name, bound in _BOUNDS[kind]:
        value = getattr(message, name)
        if bound is None:
            for one in value if isinstance(value, list) else (value,):
                _check_bounds(one)
        elif len(value) > bound[0]:
            raise InvalidMessage(
                f"{type(message).__name__}.{name} has {len(value)} entries, at most {bound[0]} are allowed",
                reason="too long",
            )
        elif bound[1] is not None and any(len(text) > bound[1] for text in value):
            raise InvalidMessage(
                f"{type(message).__name__}.{name} has an entry of more than {bound[1]} characters", reason="too long"
            )


def _bounds(kind: type[Any]) -> tuple[tuple[str, tuple[int, int | None] | None], ...]:
    """Return each bounded field with its bound and its entries' bound; None where nested fields may be bounded."""
    fields: list[tuple[str, tuple[int, int | None] | None]] = []
    for name, declared in zip(kind.get_fields_and_field_types(), kind.SLOT_TYPES, strict=True):
        entry = declared.value_type if isinstance(declared, AbstractNestedType) else declared
        if isinstance(declared, BoundedSequence):
            longest = entry.maximum_size if isinstance(entry, BoundedString) else None
            fields.append((name, (declared.maximum_size, longest)))
        elif isinstance(declared, BoundedString):
            fields.append((name, (declared.maximum_size, None)))
        if isinstance(entry, NamespacedType) and entry.namespaces[0] == "neurosurgeon_ros":
            fields.append((name, None))
    return tuple(fields)
