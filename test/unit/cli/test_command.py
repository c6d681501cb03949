# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The command line: its options, and its answers to bad ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from neurosurgeon_ros.cli import main
from neurosurgeon_ros.cli.arguments import Parser, UsageError
from neurosurgeon_ros.cli.demo.options import VIEW_PORT, DemoOptions, add_options, read_options
from neurosurgeon_ros.models.files import find


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "short.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for _ in range(3):
        writer.write(np.zeros((48, 64, 3), dtype=np.uint8))
    writer.release()
    return path


def read(*arguments: str | Path) -> DemoOptions:
    parser = Parser(prog="neurosurgeon demo")
    add_options(parser)
    return read_options(parser.parse_args([str(argument) for argument in arguments]))


def test_defaults(video: Path) -> None:
    options = read("--video", video)

    assert (options.frames, options.rate_hz, options.policy, options.robot_speed) == (
        300,
        0.0,
        "adaptive_mu_lin_ucb",
        0.2,
    )
    assert (options.codecs, options.link, options.out, options.weights) == ((), "loopback", Path("out/demo"), None)
    assert (options.image_transport, options.view_port) == ("raw", None)


def test_a_network_of_ones_own_is_named_as_everywhere(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read("--video", video, "--model", "package.module:make").model == "package.module:make"
    monkeypatch.chdir(video.parent)
    assert read("--video", video, "--model", "own.pt2").model == str(video.parent / "own.pt2")
    assert read("--video", video, "--model", "vgg16", "--random-weights").random_weights


def test_a_file_of_a_network_is_found_from_other_processes(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(video.parent)
    for name in ("own.onnx@640x480", "own.torchscript:yolov8", "own.pt@96x64:yolov8"):
        assert read("--video", video, "--model", name).model == f"{video.parent}/{name}"


def test_pictures_of_a_folder_take_the_place_of_a_video(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--images: .*gone is not a folder: give a folder with pictures"):
        read("--images", tmp_path / "gone")
    with pytest.raises(UsageError, match=r"--images: folder .* has no picture that can be decoded"):
        read("--images", tmp_path)
    assert cv2.imwrite(str(tmp_path / "1.png"), np.zeros((48, 64, 3), dtype=np.uint8))
    assert read("--images", tmp_path).video == str(tmp_path)
    with pytest.raises(SystemExit):
        read("--images", tmp_path, "--video", "0")


def test_a_view_has_its_port(video: Path) -> None:
    assert read("--video", video, "--view").view_port == VIEW_PORT
    assert read("--video", video, "--view", "--view-port", "0").view_port == 0


@pytest.mark.parametrize(("name", "file"), [("fixed", "vtest.avi"), ("street", "bikes.mp4")])
def test_a_shipped_video_is_given_by_its_name(name: str, file: str) -> None:
    assert read("--video", name).video == str(find(file))


def test_a_shipped_video_that_is_missing_is_answered_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"vtest\.avi .* is missing: .* or give another video with --video"):
        read("--video", "fixed")


def test_options_are_taken_over(video: Path) -> None:
    options = read(
        "--video", video, "--codecs", "fp32,uint8", "--uplink", "4", "--rate", "12.5", "--policy", "edge_only"
    )

    assert options.codecs == ("fp32", "uint8")
    assert options.link == "emulated 4 Mbit/s"
    assert (options.rate_hz, options.policy) == (12.5, "edge_only")
    assert options.video == str(video)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--frames", "0"], ["--frames", "'0'", "1"]),
        (["--frames", "many"], ["--frames", "'many'", "whole number"]),
        (["--rate", "nan"], ["--rate", "'nan'", "1000"]),
        (["--robot-speed", "0"], ["--robot-speed", "'0'", "0.01"]),
        (["--uplink", "-4"], ["--uplink", "'-4'", "Mbit/s"]),
        (["--seed", "1.5"], ["--seed", "'1.5'"]),
        (["--policy", "best"], ["--policy", "'best'", "mu_lin_ucb", "edge_only", "on_device"]),
        (["--codecs", "fp32,mp3"], ["--codecs", "'mp3'", "fp32", "uint8"]),
        (["--codecs", ""], ["--codecs", "''", "fp32"]),
        (["--model", "yolo"], ["--model", "'yolo'", "yolov3_tiny"]),
        (["--weights", "/nowhere.weights"], ["--weights", "/nowhere.weights"]),
        (["--weights", "/nowhere.weights", "--random-weights"], ["--random-weights", "not allowed"]),
        (["--video", "/nowhere.mp4"], ["--video", "/nowhere.mp4", "does not exist"]),
        (["--video", "/"], ["--video", "has no picture"]),
        (["--image-transport", "theora"], ["--image-transport", "'theora'", "raw", "compressed"]),
        (["--view", "--view-port", "65536"], ["--view-port", "'65536'", "65535"]),
        (["--view-port", "5006"], ["--view-port", "--view"]),
        (["--speed", "1"], ["--speed"]),
    ],
)
def test_a_bad_value_is_answered_in_one_sentence(
    arguments: list[str], parts: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["demo", *arguments])
    except SystemExit as end:
        code = int(end.code or 0)

    said = capfd.readouterr().err.strip()
    assert code == 2
    assert said.startswith("neurosurgeon")
    assert len(said.splitlines()) == 1
    for part in parts:
        assert part in said


def test_a_video_that_cannot_be_decoded_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("this is no video")

    with pytest.raises(UsageError, match="cannot be decoded"):
        read("--video", path)


def test_results_that_cannot_be_written_are_refused(
    video: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert main(["demo", "--video", str(video), "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capfd.readouterr().err


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from neurosurgeon_ros.cli import main\n"
        "try:\n"
        "    main(['demo', '--help'])\n"
        "except SystemExit:\n"
        "    heavy = {'torch', 'cv2', 'numpy', 'rclpy', 'matplotlib', 'rich', 'bokeh'} & set(sys.modules)\n"
        "    sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "--robot-speed" in done.stdout
