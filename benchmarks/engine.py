# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Measure how fast the engine runs YOLOv3-tiny, as ratios within one run.

Prints front-end + back-end relative to the whole network at every cut, the whole network relative to eager torch and to
onnxruntime, and the times of the codecs that have a time limit. The alternatives are measured in turns, so that all of
them meet the same conditions. Run it on an idle machine: `make bench`.
"""

from __future__ import annotations

import copy
import random
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn

from neurosurgeon_ros.cli.images import read_image
from neurosurgeon_ros.codecs import TensorSpec, get_codec
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import find
from neurosurgeon_ros.models.shipped.yolov3_tiny import Yolov3Tiny
from neurosurgeon_ros.models.weights import load_weights

ROUNDS = 60
PAUSE_S = 0.02


def least_ms(actions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """
    Return the shortest duration of each action over several rounds, in milliseconds.

    Each round runs the actions in a random order. No action therefore always follows the same other one, whose threads
    may still be running. Before each measured run, the action runs once unmeasured, so that the spinning threads and
    the tensors in the caches are its own.
    """
    least = dict.fromkeys(actions, float("inf"))
    order, chance = list(actions), random.Random(0)
    for number in range(rounds + 2):
        chance.shuffle(order)
        for name in order:
            action = actions[name]
            time.sleep(PAUSE_S)  # onnxruntime's threads keep spinning for a while
            action()
            start = time.perf_counter()
            action()
            took = 1e3 * (time.perf_counter() - start)
            if number >= 2:
                least[name] = min(least[name], took)
    return least


def eager() -> nn.Module:
    """Return the network as its class makes it: with separate batch norms and torch's default memory layout."""
    network = Yolov3Tiny()
    load_weights(network, find("yolov3-tiny.weights"))
    return network.eval().requires_grad_(False)


def onnxruntime_run(network: nn.Module, x: torch.Tensor) -> Callable[[], object] | None:
    """Return a call that runs the network in onnxruntime; None if torch cannot export it or a package is missing."""
    try:
        import onnxruntime

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / "network.onnx"
            torch.onnx.export(copy.deepcopy(network), (x.contiguous(),), str(path), dynamo=False, opset_version=17)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = torch.get_num_threads()
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # skip the comparison, whatever the reason
        print(f"onnxruntime is left out ({problem}): the packages onnx and onnxruntime are needed")
        return None
    feed = {session.get_inputs()[0].name: x.contiguous().numpy()}
    return lambda: session.run(None, feed)


def main() -> None:
    """Measure and print the ratios."""
    engine = Engine.load("yolov3_tiny")
    x, _ = engine.model.preprocess(read_image(None, "--image"))
    partitioned = engine.partitioned
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, least of {ROUNDS} rounds")

    def in_two(p: int) -> Callable[[], object]:
        return lambda: partitioned.run_back(partitioned.run_front(x, p)[p], p)

    with torch.inference_mode():
        plain = eager()
        actions: dict[str, Callable[[], object]] = {
            "whole": lambda: partitioned.run_whole(x),
            "eager": lambda: plain(x.contiguous()),
            **{point.name: in_two(point.index) for point in partitioned.points[:-1]},
        }
        other = onnxruntime_run(engine.model.network, x)
        if other is not None:
            actions["onnxruntime"] = other
        took = least_ms(actions)
        print(f"{'the whole network':34} {took['whole']:7.2f} ms")
        for point in partitioned.points[:-1]:
            ratio = took[point.name] / took["whole"]
            print(f"{'cut at ' + point.name + ', over the whole':34} {ratio:7.3f}     (at most 1.05)")
        print(f"{'the whole over eager torch':34} {took['whole'] / took['eager']:7.3f}     (at most 0.55)")
        if other is not None:
            print(f"{'the whole over onnxruntime':34} {took['whole'] / took['onnxruntime']:7.3f}     (at most 1.15)")

        wide = TensorSpec("map", (1, 256, 26, 26), "float32", channels_last=True)
        tensor = torch.randn(wide.shape).relu().contiguous(memory_format=torch.channels_last)
        int8, jpeg, image = get_codec("int8"), get_codec("jpeg98-444"), partitioned.points[0].tensors[0]
        took = least_ms(
            {
                "int8 and back, 26x26x256": lambda: int8.decode(int8.encode(tensor, wide), wide),
                "jpeg of 416x416": lambda: jpeg.encode(x, image),
            }
        )
        for (name, ms), limit in zip(took.items(), (3.0, 2.0), strict=True):
            print(f"{name:34} {ms:7.2f} ms  (under {limit:g} ms)")


if __name__ == "__main__":
    main()
