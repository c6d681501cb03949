# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""``neurosurgeon verify``: compare the front-end, codec and back-end of every arm with the whole network."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from neurosurgeon_ros.cli.network import add_network_options, load_engine, load_fidelity, make_console, notes, reading

if TYPE_CHECKING:
    from neurosurgeon_ros.codecs.limits import CrossingLimits
    from neurosurgeon_ros.inference.arm import Arm
    from neurosurgeon_ros.inference.engine import Engine
    from neurosurgeon_ros.models.model import Image


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "verify",
        help="compare every partition of a network with the whole network",
        description="Run the front-end, codec and back-end of every lossless arm on an image, and report the largest "
        "difference from the whole network. The exit code is 1 if a lossless arm differs by a single bit.",
        allow_abbrev=False,
    )
    add_network_options(parser)
    parser.add_argument("--all-codecs", action="store_true", help="also report the arms that lose something")
    parser.add_argument("--all", action="store_true", help="also use the points where an earlier one carries no more")
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="picture to use (default: the middle frame of the shipped video)"
    )


def run(args: argparse.Namespace) -> int:
    """
    Verify a network.

    :returns: exit code: 1 if a lossless arm differs from the whole network.
    :raises UsageError: if the network or the image cannot be used.
    """
    from rich.table import Table

    from neurosurgeon_ros.cli.images import read_image

    engine = load_engine(args, keep_all=args.all)
    image = read_image(args.image, "--image")
    known = load_fidelity(args, engine) if args.all_codecs else None
    differences = verify(engine, image, all_codecs=args.all_codecs, limits=known.limits if known else {})
    print(f"{args.model} {engine.fingerprint[:12]}: largest difference from the whole network")
    table = Table("arm")
    for header in ("bytes", "difference", ""):
        table.add_column(header, justify="right")
    failed = [arm.name for arm, (_, difference) in differences.items() if arm.is_lossless and difference]
    for arm, (sent, difference) in differences.items():
        verdict = "" if not arm.is_lossless else "differs" if difference else "equal"
        table.add_row(arm.name, f"{sent:,}", f"{difference:.3g}", verdict)
    console = make_console()
    console.print(table)
    for note in (*reading(engine), *notes(engine)):
        console.print(note, highlight=False, soft_wrap=True)
    lossless = sum(arm.is_lossless for arm in differences)
    if failed:
        print(f"{len(failed)} of {lossless} lossless arms differ from the whole network: {', '.join(failed)}")
        return 1
    print(f"{lossless} lossless arms give the whole network's outputs, bit for bit")
    return 0


def verify(
    engine: Engine, image: Image, *, all_codecs: bool = False, limits: Mapping[str, CrossingLimits] | None = None
) -> dict[Arm, tuple[int, float]]:
    """
    Send an image's tensors through every arm.

    :param image: BGR, shape (H, W, 3).
    :param all_codecs: also use the arms that lose something.
    :param limits: limits of a calibration, for arms that use limits.
    :returns: for each arm the bytes sent, and the largest difference of the outputs; 0 only for equal bits.
    """
    import dataclasses
    from array import array

    import torch

    from neurosurgeon_ros.calibration.agreement import largest_difference
    from neurosurgeon_ros.calibration.calibrate import encode
    from neurosurgeon_ros.codecs import CODECS

    differences = {}
    with torch.inference_mode():
        x, _ = engine.model.preprocess(image)
        held = engine.partitioned.run_front(x, engine.on_device - 1, keep=range(engine.on_device - 1))
        whole = engine.partitioned.run_whole(x)
        for arm in engine.arms(CODECS, limits=limits or {}):
            if not arm.codec or not (all_codecs or arm.is_lossless):
                continue
            encoded = encode(engine, arm, held[arm.point], image)
            # As over a network, the received data is in separate memory.
            arrived = [dataclasses.replace(one, data=memoryview(array("B", bytes(one.data)))) for one in encoded]
            outputs = engine.partitioned.run_back(engine.decode(arm.point, arrived), arm.point)
            differences[arm] = (sum(one.data.nbytes for one in encoded), largest_difference(whole, outputs))
    return differences
