# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Select the post-processing of a user's own network: recognised from its outputs, by name, or as a callable."""

from __future__ import annotations

import dataclasses
import importlib

from neurosurgeon_ros.models.families import FAMILIES, Candidate, Seen, candidates
from neurosurgeon_ros.models.families.names import numbered
from neurosurgeon_ros.models.model import Postprocess
from neurosurgeon_ros.models.modules import find_function

#: Recognise the family from the outputs.
AUTO = "auto"

#: Names of shipped networks whose raw heads a user's own network may have.
_DETECTORS = {
    "yolov3_tiny": "neurosurgeon_ros.models.shipped.yolov3_tiny",
    "yolov2_tiny": "neurosurgeon_ros.models.shipped.yolov2_tiny",
}

_FAMILIES = {family.name: family for family in FAMILIES}

#: Valid names.
POSTPROCESSES: tuple[str, ...] = (AUTO, *_FAMILIES, *_DETECTORS)

_HOW_TO_NAME = "as FILE:NAME, or as the third value of the factory"


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """
    Conversion of raw outputs to detections.

    :param labels: names of the classes.
    :param family: name of the post-processing; empty for a user's own callable.
    :param notes: sentences about it that a user should read once, such as outputs that are left out.
    """

    postprocess: Postprocess
    labels: tuple[str, ...]
    family: str = ""
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """
    What is known of a network's classes besides its outputs.

    :param given: names from the user's file; empty: none.
    :param file: that file, for messages.
    :param own: names that the network brings along; empty: none.
    :param number: number of classes that the network brings along; None: unknown.
    """

    given: tuple[str, ...] = ()
    file: str = ""
    own: tuple[str, ...] = ()
    number: int | None = None


def find_reading(given: object, seen: Seen, names: Names) -> Reading:
    """
    Find the requested post-processing.

    :param given: one of :data:`POSTPROCESSES`; `package.module:callable`; or a callable like
        :class:`~neurosurgeon_ros.models.model.Postprocess`, whose attribute `labels` names the classes.
    :param seen: the network's outputs for some image.
    :param names: what is known of the classes.
    :raises ValueError: there is no such post-processing, it cannot read the outputs, or the user's file names another
        number of classes; the message is one sentence.
    """
    if given == AUTO:
        return _recognised(seen, names)
    if isinstance(given, str):
        if given in _FAMILIES:
            return _named_family(given, seen, names)
        if given in _DETECTORS:
            made: Reading = importlib.import_module(_DETECTORS[given]).reading()
            return dataclasses.replace(made, labels=relabelled(made.labels, names.given, names.file), family=given)
        given = _named(given)
    labels = getattr(given, "labels", None)
    if not callable(given) or not labels or not all(isinstance(label, str) for label in labels):
        raise ValueError(
            f"The post-processing {given!r} is no callable with an attribute labels that names the classes; give "
            f"it one, or name one of {', '.join(POSTPROCESSES)}."
        )
    return Reading(given, relabelled(tuple(labels), names.given, names.file))


def relabelled(labels: tuple[str, ...], given: tuple[str, ...], file: str) -> tuple[str, ...]:
    """
    Return the names of the user's file in place of a network's own, if there is a file.

    :raises ValueError: the file names another number of classes.
    """
    if given and len(given) != len(labels):
        raise ValueError(
            f"{file} names {len(given)} classes where the network has {len(labels)}; give the file that was used in "
            "its training."
        )
    return given or labels


def _recognised(seen: Seen, names: Names) -> Reading:
    found = candidates(seen, number=_number(names))
    if not found:
        raise ValueError(
            f"The outputs {seen.shapes} fit no post-processing; name one of {', '.join(POSTPROCESSES[1:])} or "
            f"package.module:callable, {_HOW_TO_NAME}."
        )
    reading = _read(found[0], names)
    others = [one.family.name for one in found[1:]]
    if not others:
        return reading
    doubt = (
        f"the outputs are read as {reading.family}, and fit {' and '.join(others)} too: if the detections are wrong, "
        f"name the post-processing, {_HOW_TO_NAME}"
    )
    return dataclasses.replace(reading, notes=(doubt, *reading.notes))


def _named_family(name: str, seen: Seen, names: Names) -> Reading:
    family = _FAMILIES[name]
    # The values may speak against it, since they are those of one image; the user knows better.
    fits = list(family.fits(seen)) or list(family.fits(seen.unknown()))
    if not fits:
        raise ValueError(
            f"The outputs {seen.shapes} do not fit the post-processing {name} ({family.outputs}); leave it out to have "
            f"it recognised, or name another of {', '.join(POSTPROCESSES[1:])}."
        )
    wanted = _number(names)
    return _read(Candidate(family, next((fit for fit in fits if fit.classes == wanted), fits[0])), names)


def _number(names: Names) -> int | None:
    return len(names.given or names.own) or names.number


def _read(chosen: Candidate, names: Names) -> Reading:
    family, fit = chosen.family, chosen.fit
    notes = (fit.note,) if fit.note else ()
    if fit.classes is not None:
        own = names.own if len(names.own) == fit.classes else ()
        if names.own and not own and not names.given:
            other = f"the network names {len(names.own)} classes where its outputs have {fit.classes}"
            notes = (*notes, f"{other}: its names are not used, so give your own with the parameter labels or --labels")
        labels = own or family.usual.get(fit.classes) or numbered(fit.classes)
        return Reading(fit.postprocess, relabelled(labels, names.given, names.file), family.name, notes)
    labels = names.given or names.own
    if not labels and names.number is not None:
        labels = family.usual.get(names.number) or numbered(names.number)
    if not labels:
        labels = next(iter(family.usual.values()))
        assumed = (
            f"the outputs do not tell the number of classes, so COCO's {len(labels)} are assumed: name your own in a "
            "file, with the parameter labels or --labels"
        )
        notes = (*notes, assumed)
    limited = dataclasses.replace(fit.postprocess, classes=len(labels))  # type: ignore[type-var]
    return Reading(limited, labels, family.name, notes)


def _named(name: str) -> object:
    if ":" not in name:
        raise ValueError(
            f"The post-processing {name!r} cannot be found; name package.module:callable, or one of "
            f"{', '.join(POSTPROCESSES)}."
        )
    return find_function(f"The post-processing {name!r}", name)
