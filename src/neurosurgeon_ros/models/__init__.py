# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
The networks that ship, each with its weights and what happens before and after it.

A new network is one file with a ``load(weights, random_weights)`` and one line in the table below.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections, Model

# Modules are imported when they are asked for, so that one network does not pay for the others.
_REGISTERED = {
    "yolov3_tiny": "neurosurgeon_ros.models.shipped.yolov3_tiny",
    "mobilenet_v2": "neurosurgeon_ros.models.shipped.mobilenet_v2",
    "yolov2_tiny": "neurosurgeon_ros.models.shipped.yolov2_tiny",
    "vgg16": "neurosurgeon_ros.models.shipped.vgg16",
    "resnet50": "neurosurgeon_ros.models.shipped.resnet50",
}

#: Registered names.
MODELS: tuple[str, ...] = tuple(_REGISTERED)

#: A network of the user's own: what its name looks like, as a regular expression and in words.
OWN_MODEL = (
    r".+:.+|.+\.pt2",
    "a network of your own as package.module:factory or as a .pt2 file, with :post-processing if need be",
)


def load_model(name: str, *, weights: Path | None = None, random_weights: bool = False) -> Model:
    """
    Load a network.

    :param name: one of :data:`MODELS`; or `package.module:factory`, `FILE.pt2` or `FILE.pt2:POSTPROCESSING`, as
        :mod:`neurosurgeon_ros.models.own` describes.
    :param weights: a weight file; the verified one in the cache folder when None.
    :param random_weights: take random weights instead of a file, where only delays matter.
    :returns: the network in eval mode, batch norms folded, without gradients, channels-last.
    :raises ValueError: there is no such network, or the factory gives none.
    :raises FileProblem: the weight file is missing, or not this network's.
    """
    module = _REGISTERED.get(name)
    if module is None and re.fullmatch(OWN_MODEL[0], name):
        from neurosurgeon_ros.models.own import load_own

        return load_own(name, weights, random_weights)
    if module is None:
        raise ValueError(f"Model {name!r} is not known; choose one of {', '.join(MODELS)}, or name {OWN_MODEL[1]}.")
    model = importlib.import_module(module).load(weights, random_weights)
    assert isinstance(model, Model)
    return model


__all__ = ["MODELS", "OWN_MODEL", "Detections", "FileProblem", "Letterbox", "Model", "load_model"]
