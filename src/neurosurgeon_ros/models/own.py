# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Load a user's own network: ``package.module:factory``, or a file ``.pt2``, ``.onnx`` or ``.torchscript``.

A factory takes no arguments. It returns either a :class:`~neurosurgeon_ros.models.model.Model`, which is complete, or
an ``nn.Module``, an example of its input and, if it shall not be recognised from the outputs, a post-processing that
:func:`~neurosurgeon_ros.models.postprocesses.find_reading` accepts. The example is one image, (1, 3, height, width):
uint8 if the network takes values 0 to 255, float32 if it takes RGB in [0, 1]. Images are then letterboxed to its size.
A ``.pt2`` file, as written by torch.export.save, contains the module and the example, and so do an ``.onnx`` file and a
TorchScript program (``.torchscript``, ``.pt``). The name of a post-processing may follow that of a file, as
``FILE.onnx:POSTPROCESSING``; and the size of the images, if the file leaves it open, as ``FILE.onnx@640x480``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models.checkpoints import refuse_checkpoint
from neurosurgeon_ros.models.families import Seen, list_outputs
from neurosurgeon_ros.models.families.names import own_names, own_number, read_names
from neurosurgeon_ros.models.files import FileProblem
from neurosurgeon_ros.models.letterbox import Letterbox, letterbox
from neurosurgeon_ros.models.model import Detections, Model, Postprocess
from neurosurgeon_ros.models.modules import find_function
from neurosurgeon_ros.models.postprocesses import AUTO, Names, Reading, find_reading, relabelled
from neurosurgeon_ros.models.shipped.fold import fold_batch_norms
from neurosurgeon_ros.models.torchscript_files import is_torchscript, load_torchscript
from neurosurgeon_ros.models.weights import load_weights

#: Maximum length of a network's name; matches the bound of the message fields that carry it.
LONGEST_NAME = 64

_PROGRAM = re.compile(r"(?P<path>.+\.pt2)(?::(?P<postprocess>.+))?")
_GRAPH = re.compile(
    r"(?P<path>.+\.(?:onnx|pt|pth|torchscript))(?:@(?P<width>\d{1,5})x(?P<height>\d{1,5}))?(?::(?P<postprocess>.+))?"
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Made:
    """Content of a factory or a file: a network, an example of its input, and the post-processing that it names."""

    network: nn.Module
    example: torch.Tensor
    postprocess: object


class ImageInput(nn.Module):
    """
    Convert the uint8 image for a network that takes RGB in [0, 1], so the image is sent in a quarter of the bytes.

    :param network: the network.
    :cvar wraps: name of the child whose modules are named as if it stood alone.
    """

    wraps: ClassVar[str] = "network"

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> Any:
        """Return what the network returns."""
        return self.network(image.to(torch.float32).div(255.0))


def load_own(name: str, weights: Path | None, random_weights: bool, labels: Path | None = None) -> Model:
    """
    Load a user's own network; see :func:`neurosurgeon_ros.models.load_model`.

    :raises ValueError: the factory cannot be found, raises, or returns something else, or how to read the network's
        outputs is not known.
    :raises FileProblem: a file is missing or is not what it should be.
    """
    given = read_names(labels) if labels is not None else ()
    made, complete = _make(name, weights)
    if isinstance(made, Model):
        names = relabelled(made.labels, given, str(labels))
        model = dataclasses.replace(made, name=shown_name(made.name), random_weights=random_weights, labels=names)
        if weights is not None:
            load_weights(model.network, weights)
        return model
    network, example = made.network, made.example
    names_of = Names(given, str(labels), own_names(network), own_number(network))
    if weights is not None:
        load_weights(network, weights)
    network = network if complete else fold_batch_norms(network.eval()).requires_grad_(False)
    if example.dtype == torch.float32:
        network = ImageInput(network)
        network.training = False  # an exported program does not support eval()
    height, width = example.shape[2:]
    image = torch.zeros(example.shape, dtype=torch.uint8).to(memory_format=torch.channels_last)
    try:
        with torch.no_grad():
            outputs = network(image)
    except Exception as error:
        raise ValueError(
            f"Model {name!r} does not accept its own example input of shape {tuple(example.shape)} ({_first(error)}); "
            "let the factory give one that it accepts."
        ) from error
    preprocess = functools.partial(letterbox, width=width, height=height)
    fitted = preprocess(np.zeros((height, width, 3), np.uint8))[1]
    reading = find_reading(made.postprocess, Seen(list_outputs(outputs), height, width), names_of)
    return Model(
        name=shown_name(name),
        labels=reading.labels,
        network=network,
        example_input=image,
        preprocess=preprocess,
        postprocess=_tried(name, reading, outputs, fitted),
        random_weights=random_weights,
        family=reading.family,
        notes=reading.notes,
    )


def _tried(name: str, reading: Reading, outputs: object, fitted: Letterbox) -> Postprocess:
    """Return the post-processing if it can read the network's outputs."""
    try:
        found = reading.postprocess(outputs, fitted, confidence=0.25, iou=0.45)
    except Exception as error:
        raise ValueError(
            f"The post-processing of model {name!r} cannot read its outputs ({_first(error)}); give the one that goes "
            "with the network."
        ) from error
    if not isinstance(found, Detections):
        raise ValueError(
            f"The post-processing of model {name!r} gives {type(found).__name__}; let it return "
            "neurosurgeon_ros.models.Detections."
        )
    return reading.postprocess


def shown_name(name: str) -> str:
    """Return as much of a network's name as messages can carry; its folder may differ between machines."""
    return name.rpartition("/")[2][-LONGEST_NAME:]


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _make(name: str, weights: Path | None) -> tuple[Model | _Made, bool]:
    """Return what a name stands for, and whether it comes from a file, in eval mode."""
    program, graph = _PROGRAM.fullmatch(name), _GRAPH.fullmatch(name)
    if program:
        return _from_program(Path(program["path"]), program["postprocess"] or AUTO), True
    if graph:
        size = (int(graph["height"]), int(graph["width"])) if graph["height"] else None
        network, example = _from_graph(Path(graph["path"]), size, weights)
        return _Made(network, example, graph["postprocess"] or AUTO), True
    return _from_factory(name), False


def _from_graph(path: Path, size: tuple[int, int] | None, weights: Path | None) -> tuple[nn.Module, torch.Tensor]:
    """Read a file that holds a graph in a form of its own."""
    is_onnx = path.suffix == ".onnx"
    if not is_onnx and not is_torchscript(path):
        refuse_checkpoint(path)
    if weights is not None:
        raise FileProblem(f"{path} holds its weights: give none beside it")
    if not is_onnx:
        return load_torchscript(path, size)
    from neurosurgeon_ros.models.onnx_files import load_onnx  # needs the package onnx

    return load_onnx(path, size)


def _for_any_memory_format(network: Any) -> Any:
    """Let a program reshape tensors that lie otherwise in memory than those that it was exported with."""
    for node in network.graph.nodes:
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
    network.recompile()
    return network


def _from_factory(name: str) -> Model | _Made:
    factory = find_function(f"Model {name!r}", name)
    try:
        made = factory()
    except Exception as error:  # the user's own code
        raise ValueError(f"Model {name!r} could not be made: its factory raised {error!r}; mend it.") from error
    if isinstance(made, Model):
        return made
    return _checked(name, made)


def _checked(name: str, made: object) -> _Made:
    if isinstance(made, tuple) and len(made) in (2, 3) and isinstance(made[0], nn.Module):
        network, example, postprocess = (*made, AUTO)[:3]
        fits = isinstance(example, torch.Tensor) and example.dim() == 4 and example.shape[:2] == (1, 3)
        if fits and example.dtype in (torch.uint8, torch.float32):
            return _Made(network, example, postprocess)
        raise ValueError(
            f"Model {name!r} comes with no image as its example input; give one of shape (1, 3, height, width) as "
            "uint8 or float32."
        )
    raise ValueError(
        f"Model {name!r} gives {type(made).__name__}; let its factory return an nn.Module, an example of its input "
        "and, if need be, a post-processing, or a neurosurgeon_ros.models.Model."
    )


def _from_program(path: Path, postprocess: str) -> _Made:
    if not path.is_file():
        raise FileProblem(f"{path.absolute()} is missing: give the path of a program that torch.export.save wrote")
    logged: list[BaseException] = []
    try:
        with _unprinted(logged):
            program = torch.export.load(path)
            # Its graph writes to tensors that other steps may share; the decomposed one does not.
            network = _for_any_memory_format(program.run_decompositions({}).module())
    except Exception as error:  # many kinds of zip, JSON, pickle and version errors
        raise FileProblem(
            f"{path} cannot be loaded by torch {torch.__version__} ({_first(logged[0] if logged else error)}): export "
            "the network again with it"
        ) from error
    inputs = program.example_inputs
    example = inputs[0][0] if inputs and len(inputs[0]) == 1 and not inputs[1] else None
    return _checked(str(path), (network, example, postprocess))


@contextlib.contextmanager
def _unprinted(errors: list[BaseException]) -> Iterator[None]:
    """Collect the errors that torch.export prints with tracebacks before it raises one that does not name them."""

    def take(record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_info[1] is not None:
            errors.append(record.exc_info[1])
        return False

    logger = logging.getLogger("torch.export")
    logger.addFilter(take)
    try:
        yield
    finally:
        logger.removeFilter(take)
