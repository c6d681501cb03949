# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Load the shipped networks with their weights, pre-processing and post-processing.

To add a network, add one file with a function ``load(weights, random_weights)`` and one line in the table below.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.letterbox import Letterbox
from neurosurgeon_ros.models.model import Detections, Model

# Modules are imported on demand, so loading one network does not import the others.
_REGISTERED = {
    "yolov3_tiny": "neurosurgeon_ros.models.shipped.yolov3_tiny",
    "mobilenet_v2": "neurosurgeon_ros.models.shipped.mobilenet_v2",
    "yolov2_tiny": "neurosurgeon_ros.models.shipped.yolov2_tiny",
    "vgg16": "neurosurgeon_ros.models.shipped.vgg16",
    "resnet50": "neurosurgeon_ros.models.shipped.resnet50",
}

#: Registered names.
MODELS: tuple[str, ...] = tuple(_REGISTERED)

#: Format of the name of a user's own network, as a regular expression and in words.
OWN_MODEL = (
    r".+:.+|.+\.pt2",
    "a network of your own as package.module:factory or as a .pt2 file, with :post-processing if need be",
)


def load_model(name: str, *, weights: Path | None = None, random_weights: bool = False) -> Model:
    """
    Load a network.

    :param name: one of :data:`MODELS`; or `package.module:factory`, `FILE.pt2` or `FILE.pt2:POSTPROCESSING`, as
        described in :mod:`neurosurgeon_ros.models.own`.
    :param weights: a weight file; None for the verified one in the cache folder.
    :param random_weights: use random weights instead of a file, if only delays matter.
    :returns: the network in eval mode, batch norms folded, without gradients, channels-last.
    :raises ValueError: there is no such network, or the factory does not return one.
    :raises FileProblem: the weight file is missing, or does not belong to this network.
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
