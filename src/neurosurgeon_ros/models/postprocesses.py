# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Select the post-processing of a user's own network: by the name of a shipped one, or as a callable."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from neurosurgeon_ros.models.classification import Classification
from neurosurgeon_ros.models.model import Postprocess
from neurosurgeon_ros.models.modules import find_function

#: The outputs are class scores, (1, classes).
CLASSIFICATION = "classification"

#: Names of shipped networks whose raw heads a user's own network may have.
_DETECTORS = {
    "yolov3_tiny": "neurosurgeon_ros.models.shipped.yolov3_tiny",
    "yolov2_tiny": "neurosurgeon_ros.models.shipped.yolov2_tiny",
}

#: Valid names.
POSTPROCESSES: tuple[str, ...] = (CLASSIFICATION, *_DETECTORS)


@dataclass(frozen=True, slots=True)
class Reading:
    """
    Conversion of raw outputs to detections.

    :param labels: names of the classes; empty for class scores, whose classes are numbered.
    """

    postprocess: Postprocess
    labels: tuple[str, ...] = ()


def find_reading(given: object) -> Reading:
    """
    Find the requested post-processing.

    :param given: one of :data:`POSTPROCESSES`; `package.module:callable`; or a callable like
        :class:`~neurosurgeon_ros.models.model.Postprocess`, whose attribute `labels` names the classes.
    :raises ValueError: there is no such post-processing; the message is one sentence.
    """
    if isinstance(given, str):
        if given == CLASSIFICATION:
            return Reading(Classification())
        if given in _DETECTORS:
            return importlib.import_module(_DETECTORS[given]).reading()  # type: ignore[no-any-return]
        given = _named(given)
    labels = getattr(given, "labels", None)
    if not callable(given) or not labels or not all(isinstance(label, str) for label in labels):
        raise ValueError(
            f"The post-processing {given!r} is no callable with an attribute labels that names the classes; give "
            f"it one, or name one of {', '.join(POSTPROCESSES)}."
        )
    return Reading(given, tuple(labels))


def _named(name: str) -> object:
    if ":" not in name:
        raise ValueError(
            f"The post-processing {name!r} cannot be found; name package.module:callable, or one of "
            f"{', '.join(POSTPROCESSES)}."
        )
    return find_function(f"The post-processing {name!r}", name)
