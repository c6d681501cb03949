# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/your-own-network.md, in a package outside this repository, with the code taken from the page."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from pathlib import Path

import cv2
import detector_heads
import numpy as np
import pytest
import torch
from detector_heads import HEIGHT, STRIDE, WIDTH
from onnx_models import export
from small_networks import SIZE, Yolo
from support import Process, Processes, wait_for

from neurosurgeon_ros.models.files import FILES, find

END_S = 200.0
BLOCK = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)


class Page:
    """
    The page's package and commands.

    :param folder: folder of its files, laid out as by a user; commands run with it on PYTHONPATH.
    """

    def __init__(self, root: Path, folder: Path, processes: Processes) -> None:
        text = (root / "docs" / "your-own-network.md").read_text(encoding="utf-8")
        self.folder = folder
        self._processes = processes
        self.commands: list[list[str]] = []
        for kind, block in BLOCK.findall(text):
            if kind == "sh":
                self.commands += [shlex.split(line) for line in block.splitlines() if line]
            else:
                path = folder / block.splitlines()[0].removeprefix("# ")
                path.parent.mkdir(exist_ok=True)
                path.write_text(block)
        cache = folder / "cache"
        cache.mkdir()
        for name in FILES:
            (cache / name).symlink_to(find(name))
        pictures = folder / "pictures"
        pictures.mkdir()
        capture = cv2.VideoCapture(str(find("bikes.mp4")))
        for number in range(6):
            cv2.imwrite(str(pictures / f"{number}.png"), capture.read()[1])
        cv2.imwrite(str(pictures / "street.jpg"), capture.read()[1])
        torch.manual_seed(0)
        export(Yolo().eval(), torch.zeros(1, 3, SIZE, SIZE), folder / "yolov8n.onnx", 17)
        drive = cv2.VideoWriter(str(folder / "drive.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10.0, (320, 136))
        for _ in range(50):
            drive.write(cv2.resize(capture.read()[1], (320, 136)))
        drive.release()
        self._environment = {
            "HOME": str(folder),
            "NEUROSURGEON_CACHE": str(cache),
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        }

    def run(self, program: str, *arguments: str) -> Process:
        words = [word.replace("~", str(self.folder)) for word in arguments]
        return self._processes.start(program, *words, environment=self._environment)

    def commands_of(self, *names: str) -> list[list[str]]:
        return [command[1:] for command in self.commands if command[1] in names]


@pytest.fixture
def page(root: Path, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch) -> Page:
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return Page(root, tmp_path / "home", processes)


def finish(*running: Process) -> None:
    for process in running:
        wait_for(lambda process=process: process.popen.poll() is not None, END_S, "the end of the command")
        assert process.popen.returncode == 0, process.output


def start_node(processes: Processes, root: Path, program: str, labels: Path) -> Process:
    """Start a node with a network that gives masks beside its boxes."""
    values = ("model:=detector_heads:segmenter", "threads:=1", f"labels:={labels}")
    words = [word for value in values for word in ("-p", value)]
    path = os.pathsep.join([str(root / "test"), os.environ.get("PYTHONPATH", "")])
    return processes.start(program, "--ros-args", *words, environment={"PYTHONPATH": path}, keep_signals=True)


@pytest.mark.parametrize("program", ["robot_node", "edge_node"])
def test_a_node_says_once_what_it_leaves_out_of_a_detectors_outputs(
    root: Path, tmp_path: Path, processes: Processes, program: str
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"part {number}" for number in range(80)), encoding="utf-8")
    node = start_node(processes, root, program, names)
    node.wait_for_output("the network gives masks, which are left out")
    assert node.end() == 0
    assert node.output.count("masks, which are left out") == 1


def test_a_node_refuses_names_of_other_classes_in_one_sentence(
    root: Path, tmp_path: Path, processes: Processes
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("nut\nbolt\n", encoding="utf-8")
    node = start_node(processes, root, "robot_node", names)
    node.wait_for_output("names.txt names 2 classes where the network has 80; give the file")
    assert "Traceback" not in node.output


@pytest.mark.full
def test_a_detector_from_a_file_finds_what_is_on_the_pictures_of_a_folder(tmp_path: Path, processes: Processes) -> None:
    network, example = detector_heads.yolov8()[:2]
    export(network, example, tmp_path / "detector.onnx", 17)
    pictures = tmp_path / "my pictures"
    pictures.mkdir()
    for number in range(4):
        image = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
        image[3 * STRIDE : 4 * STRIDE, (2 + number) * STRIDE : (3 + number) * STRIDE] = 255
        assert cv2.imwrite(str(pictures / f"{number}.png"), image)
    (pictures / "notes.txt").write_text("no picture")
    words = ("--model", tmp_path / "detector.onnx", "--images", pictures, "--frames", "60", "--out", tmp_path / "out")
    finish(processes.start("neurosurgeon", "demo", *words, "--rate", "10", "--policy", "edge_only"))
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["frames_accepted"] >= 60
    assert summary["detections_published"] == summary["detections_matched"] == summary["frames_accepted"]
    assert summary["outcomes"]["edge"] > 0
    assert sum(summary["objects"].values()) == summary["frames_accepted"]
    capture = cv2.VideoCapture(str(tmp_path / "out" / "annotated.mp4"))
    assert capture.read()[1].shape[1] == WIDTH


@pytest.mark.full
def test_the_pages_commands_run_by_name_alone(page: Page) -> None:
    assert {command[1] for command in page.commands} == {"partitions", "verify", "calibrate", "demo"}
    finish(page.run(sys.executable, "export.py"))
    running = [
        (command, page.run("neurosurgeon", *command))
        for command in page.commands_of("partitions", "verify", "calibrate")
    ]
    finish(*(process for _, process in running))
    for command, process in running:
        if command[0] == "verify":
            assert "bit for bit" in process.output
        if command[0] == "partitions":
            assert "pool1" in process.output or command[1].endswith((".pt2", ".onnx"))
        if command[0] == "calibrate":
            assert Path(process.output.splitlines()[-1]).parent == page.folder / "cache" / "calibrations"


@pytest.mark.full
def test_the_pages_detector_runs_in_the_demo_by_name_alone(page: Page) -> None:
    onnx_file, command = page.commands_of("demo")
    assert onnx_file[2] == "yolov8n.onnx"
    # A network as small as this one runs best on the robot.
    finish(page.run("neurosurgeon", *command, "--policy", "edge_only"))
    summary = json.loads((page.folder / "out" / "demo" / "summary.json").read_text())
    assert summary["model"] == "my_networks.bright:make"
    assert summary["frames_accepted"] >= 60
    assert summary["detections_published"] == summary["detections_matched"] == summary["frames_accepted"]
    assert summary["objects"]["bright"] > 0
    assert summary["outcomes"]["edge"] > 0
