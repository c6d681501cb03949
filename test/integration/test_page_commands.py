# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Every command of the documentation runs, unless its page says what it needs and a test has not."""

from __future__ import annotations

import signal
from pathlib import Path

import cv2
import pytest
import torch
from onnx_models import export
from page_commands import Way, run_elsewhere, way_of
from pages import Block, blocks
from small_networks import SIZE, Yolo
from support import Process, Processes, wait_for
from torch import nn

from neurosurgeon_ros.models.files import find

#: Maximum number of seconds of one command; `experiment --all` takes minutes.
END_S = 900.0

#: Words in the place of what a reader has.
PLACEHOLDERS = {"FOLDER": "links", "FILE": "links/drive.csv"}
TO_RUN = [block for block in blocks() if not block.needs and not run_elsewhere(block)]


def ways(block: Block) -> list[Way]:
    """Return the ways to run the commands of a block."""
    return [way for command in block.commands if (way := way_of(command)) is not None]


def chosen(*, quick: bool) -> list[object]:
    """Return the blocks all of whose commands are quick, or the others, as parameters of a test."""
    return [
        pytest.param(block, id=f"{block.page}:{block.line}")
        for block in TO_RUN
        if all(way.quick for way in ways(block)) == quick
    ]


@pytest.fixture
def folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a reader's folder: videos, pictures, networks and recorded links, with the checkout's programs."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(find("bikes.mp4").parent))
    monkeypatch.setenv("HOME", str(home))
    for name in ("Makefile", ".ci", "tools", "neurosurgeon"):
        (home / name).symlink_to(root / name)
    (home / "my.mp4").symlink_to(find("bikes.mp4"))
    (home / "pictures").mkdir()
    capture = cv2.VideoCapture(str(find("bikes.mp4")))
    for number in range(4):
        cv2.imwrite(str(home / "pictures" / f"{number}.png"), capture.read()[1])
    (home / "links").mkdir()
    (home / "links" / "drive.csv").write_text("mbps\n" + "".join(f"{5 + second % 7}\n" for second in range(60)))
    return home


def make_networks(folder: Path) -> None:
    """Write the files that stand for a reader's own network."""
    torch.manual_seed(0)
    network, example = Yolo().eval(), torch.zeros(1, 3, SIZE, SIZE)
    export(network, example, folder / "yolov8n.onnx", 17)
    layers = (nn.Conv2d(3, 8, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    classifier = nn.Sequential(*layers).eval()
    torch.export.save(torch.export.export(classifier, (example,)), folder / "detector.pt2")
    (folder / "data.yaml").write_text("names: [nut, bolt, washer, screw, nail]\n")


def run(command: str, way: Way, processes: Processes) -> None:
    """Run a command of a page in the current folder, in its way."""
    for word, given in PLACEHOLDERS.items():
        command = command.replace(word, given)
    # The checkout is set up: its own program would only look at that again.
    line = f"{way.by} {command} {way.more}".replace("./neurosurgeon ", "neurosurgeon ")
    beside = processes.start(*way.beside.split()) if way.beside else None
    running = processes.start("bash", "-c", f"{line}\n")
    if beside is not None:
        finish(beside)
    if way.until_interrupted:
        running.send(signal.SIGINT)
    finish(running, *way.codes)


def finish(running: Process, *codes: int) -> None:
    """Wait for the end of a program, and check its exit code."""
    wait_for(lambda: running.popen.poll() is not None, END_S, f"the end of {running.name}")
    assert running.popen.returncode in (codes or (0,)), running.output
    assert "Traceback" not in running.output


def run_block(block: Block, processes: Processes) -> None:
    """Run the commands of a block one after another."""
    if any(way.needs_run for way in ways(block)):
        finish(processes.start("neurosurgeon", "demo", "--frames", "25"))
    if any(name in command for command in block.commands for name in (".onnx", ".pt2")):
        make_networks(Path.cwd())
    for command in block.commands:
        way = way_of(command)
        assert way is not None
        run(command, way, processes)


@pytest.mark.parametrize("block", chosen(quick=True))
@pytest.mark.usefixtures("folder")
def test_a_block_of_commands_runs(block: Block, processes: Processes) -> None:
    run_block(block, processes)


@pytest.mark.full
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("block", chosen(quick=False))
@pytest.mark.usefixtures("folder")
def test_a_block_of_long_commands_runs(block: Block, processes: Processes) -> None:
    run_block(block, processes)
