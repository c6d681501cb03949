# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the commands for one network: its options, and how to load it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosurgeon_ros.cli.arguments import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from neurosurgeon_ros.calibration.fidelity import FidelityTable
    from neurosurgeon_ros.inference.engine import Engine

#: Line width in characters if the output is not a terminal.
WIDTH = 200


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the network and its weights."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="yolov3_tiny, mobilenet_v2, yolov2_tiny, vgg16, resnet50, or your own network: package.module:factory or "
        "a .pt2, .onnx or .torchscript file",
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument("--weights", type=Path, metavar="FILE", help="weights file (default: the one from set-up)")
    weights.add_argument("--random-weights", action="store_true", help="use random weights, if only delays matter")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="names of the classes: YAML with `names`, or one in each line (default: the network's own)",
    )


def load_engine(args: argparse.Namespace, *, keep_all: bool = False) -> Engine:
    """
    Load and partition the network that the options name.

    :raises UsageError: if the network cannot be loaded or partitioned.
    """
    from neurosurgeon_ros.inference.engine import Engine

    try:
        return Engine.load(
            args.model,
            weights=args.weights,
            random_weights=args.random_weights,
            labels=args.labels,
            keep_all=keep_all,
        )
    except ValueError as problem:
        raise UsageError(str(problem)) from problem


def load_fidelity(args: argparse.Namespace, engine: Engine) -> FidelityTable | None:
    """
    Return the calibration of the network as robots partition it; arms have the same names if more points are kept.

    :returns: None if there is none.
    :raises UsageError: if it cannot be read.
    """
    from neurosurgeon_ros.calibration.fidelity import CalibrationProblem, find_fidelity

    usual = load_engine(args) if args.all else engine
    try:
        return find_fidelity(usual.fingerprint)
    except CalibrationProblem as problem:
        raise UsageError(str(problem)) from problem


def reading(engine: Engine) -> list[str]:
    """Return how the outputs of a user's own network are read, as notes; none for one with its own post-processing."""
    return [engine.model.reading] if engine.model.reading else []


def notes(engine: Engine) -> list[str]:
    """Return notes that a reader of this network's figures needs."""
    said = list(engine.model.notes)
    if engine.model.random_weights:
        said.append("the weights are random: delays and bytes mean something, results do not")
    if engine.partitioned.obstacle:
        said.append(engine.partitioned.obstacle)
    return said


def make_console() -> Console:
    """Make the console for tables: as wide as the terminal, or wide enough for whole lines if there is none."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH)


def smallest(point: dict[str, Any], *, lossless: bool, memory: bool = False) -> dict[str, Any] | None:
    """
    Return a point's allowed arm with the fewest bytes; None if there is none.

    :param lossless: return the raw arm that loses nothing.
    :param memory: whether its codec has memory.
    """
    arms = [arm for arm in point["arms"] if arm["allowed"] and bool(arm["key_bytes"]) == memory]
    if lossless:
        return next((arm for arm in arms if arm["lossless"]), None)
    return min(arms, key=lambda arm: float(arm["bytes"]), default=None)
