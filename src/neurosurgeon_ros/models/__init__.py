# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Load the shipped networks with their weights, pre-processing and post-processing.

To add a network, add one file with a function ``load(weights, random_weights)`` and one line in the table below.
"""

from __future__ import annotations

import dataclasses
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
    # Checkpoints are let through, so that their refusal says how to export them.
    r".+:.+|.+\.(pt2|pt|pth|torchscript|onnx)|.+\.(pt|pth|torchscript|onnx)@\d+x\d+",
    "a network of your own as package.module:factory or as a .pt2, .onnx or .torchscript file, with :post-processing "
    "if need be",
)


def load_model(
    name: str, *, weights: Path | None = None, random_weights: bool = False, labels: Path | None = None
) -> Model:
    """
    Load a network.

    :param name: one of :data:`MODELS`; or `package.module:factory`, `FILE.pt2`, `FILE.onnx`, `FILE.torchscript` or
        `FILE:POSTPROCESSING`, as described in :mod:`neurosurgeon_ros.models.own`.
    :param weights: a weight file; None for the verified one in the cache folder.
    :param random_weights: use random weights instead of a file, if only delays matter.
    :param labels: a file with the names of the classes; None for those of the network. See
        :func:`neurosurgeon_ros.models.families.names.read_names`.
    :returns: the network in eval mode, batch norms folded, without gradients, channels-last.
    :raises ValueError: there is no such network, the factory does not return one, or `labels` names another number of
        classes.
    :raises FileProblem: a file is missing, or does not belong to this network.
    """
    module = _REGISTERED.get(name)
    if module is None and re.fullmatch(OWN_MODEL[0], name):
        from neurosurgeon_ros.models.own import load_own

        return load_own(name, weights, random_weights, labels)
    if module is None:
        raise ValueError(f"Model {name!r} is not known; choose one of {', '.join(MODELS)}, or name {OWN_MODEL[1]}.")
    model = importlib.import_module(module).load(weights, random_weights)
    assert isinstance(model, Model)
    if labels is not None:
        from neurosurgeon_ros.models.families.names import read_names
        from neurosurgeon_ros.models.postprocesses import relabelled

        model = dataclasses.replace(model, labels=relabelled(model.labels, read_names(labels), str(labels)))
    return model


__all__ = ["MODELS", "OWN_MODEL", "Detections", "FileProblem", "Letterbox", "Model", "load_model"]
