# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The commands about one network: partitions, verify and calibrate."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from robots import picture, small_engine

from neurosurgeon_ros.calibration.fidelity import FidelityTable, StreamFidelity, read_fidelity, write_fidelity
from neurosurgeon_ros.cli import main
from neurosurgeon_ros.cli.arguments import UsageError
from neurosurgeon_ros.cli.footage import read_footage
from neurosurgeon_ros.cli.verify import verify
from neurosurgeon_ros.codecs import is_stream_codec
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import find

OWN = """
import torch
from torch import nn


def make():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(4),
        nn.Conv2d(8, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5),
    )
    return network, torch.zeros(1, 3, 32, 32)


def raises():
    raise RuntimeError("no disk")


def stubborn():
    class Stubborn(nn.Module):
        def forward(self, image):
            if image.sum() > 0:
                image = image * 2
            return image.mean((2, 3))

    return Stubborn(), torch.zeros(1, 3, 32, 32)
"""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"own_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "cache").mkdir()
    for file in ("bikes.mp4", "yolov3-tiny.weights"):
        (tmp_path / "cache" / file).symlink_to(find(file))
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path / "cache"))
    return name


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number))
    (folder / "notes.txt").write_text("no picture")
    return folder


def printed(capfd: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    assert main([str(argument) for argument in arguments]) == code
    return capfd.readouterr().out


def points(capfd: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(printed(capfd, "partitions", *arguments, "--json"))
    return content


def test_partitions_of_an_own_network(own: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    content = points(capfd, f"{own}:make", "--plot", tmp_path / "points.png")
    first, *between, last = content["points"]
    assert (first["name"], last["name"]) == ("input", "on_device")
    assert between
    assert [arm["codec"] for arm in first["arms"] if arm["allowed"]] == ["uint8", "uint8-zstd", "webp-lossless"]
    assert {arm["codec"] for arm in between[0]["arms"] if arm["allowed"]} == {
        "fp32",
        "fp32-zstd",
        "fp16",
        "fp16-zstd",
    }
    assert all(point["macs_before"] + point["macs_after"] == first["macs_after"] for point in content["points"])
    assert first["front_s"] == 0.0 and last["back_s"] == 0.0 and last["front_s"] > 0.0
    assert cv2.imread(str(tmp_path / "points.png")) is not None
    assert len(points(capfd, f"{own}:make", "--all")["points"]) == len(content["points"]) + content["left_out"]

    table = printed(capfd, "partitions", f"{own}:make")
    assert all(point["name"] in table for point in content["points"])
    assert "no calibration" in table


def test_partitions_show_arms_with_memory_by_the_cameras_rate(own: str, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("constriction")
    engine = Engine.load(f"{own}:make")
    name = engine.partitioned.points[1].name
    known = tuple(StreamFidelity(0.97, 0.96, 0.98, b, rate_hz=hz, key_bytes=9e3) for hz, b in ((2.0, 7e2), (9.5, 4e2)))
    calibration = FidelityTable(
        *("own", engine.fingerprint, "f1", "frames", 2, 2, {}), streams={f"{name}/int4-delta-d0.75": known}
    )
    write_fidelity(calibration)
    for hz, sent_bytes in (("10", 4e2), ("5", 7e2)):
        found = points(capfd, f"{own}:make", "--rate", hz)["points"]
        arms = {arm["codec"]: arm for arm in found[1]["arms"]}
        arm = arms["int4-delta-d0.75"]
        assert (arm["bytes"], arm["key_bytes"], arm["fidelity"], arm["allowed"]) == (sent_bytes, 9e3, 0.97, True)
        assert arms["fp32"]["key_bytes"] == 0.0
        assert "int4-delta-d0.75" not in {one["codec"] for point in found[2:] for one in point["arms"]}, "not judged"
    said = " ".join(printed(capfd, "partitions", f"{own}:make", "--rate", "5").split())
    assert "with memory at 5 Hz" in said and "int4-delta-d0.75 0.7 kB 0.97" in said and "key 9 kB" in said


def test_what_cannot_be_cut_is_said(own: str, capfd: pytest.CaptureFixture[str]) -> None:
    content = points(capfd, f"{own}:stubborn")
    assert [point["name"] for point in content["points"]] == ["input", "on_device"]
    assert content["obstacle"] in content["notes"]
    assert content["obstacle"] in " ".join(printed(capfd, "partitions", f"{own}:stubborn").split())


def test_what_cannot_be_cut_has_two_arms_that_give_the_whole(own: str, capfd: pytest.CaptureFixture[str]) -> None:
    said = printed(capfd, "verify", f"{own}:stubborn")
    assert "input/uint8" in said and "bit for bit" in said
    assert "'network', line" in " ".join(said.split()) and "if image.sum() > 0:" in said


def test_random_weights_are_said_in_every_output(capfd: pytest.CaptureFixture[str]) -> None:
    content = points(capfd, "yolov2_tiny", "--random-weights")
    assert content["random_weights"]
    assert "weights are random" in " ".join(content["notes"])
    assert "weights are random" in printed(capfd, "verify", "yolov2_tiny", "--random-weights")


def test_verify_passes_for_networks_that_ship_and_own_ones(own: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert "lossless arms give the whole network's outputs, bit for bit" in printed(capfd, "verify", "yolov3_tiny")
    assert "outputs, bit for bit" in printed(capfd, "verify", "small_networks:dino", "--all")
    said = printed(capfd, "verify", f"{own}:make", "--all-codecs")
    assert "equal" in said and "int4" in said and "differs" not in said


def test_the_family_of_a_detector_is_said(own: str, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    content = points(capfd, "detector_heads:segmenter")
    assert (content["family"], len(content["labels"])) == ("yolov8", 80)
    assert content["notes"][0] == "the outputs are read as yolov8, 80 classes"
    assert "masks, which are left out" in content["notes"][1]
    assert "the outputs are read as yolov8, 80 classes" in printed(capfd, "partitions", "detector_heads:yolov8")
    names = tmp_path / "names.yaml"
    names.write_text("names: [nut, bolt, washer]\n", encoding="utf-8")
    said = printed(capfd, "verify", "detector_heads:three_classes", "--labels", names)
    assert "the outputs are read as yolov8, 3 classes" in said
    assert points(capfd, "detector_heads:three_classes", "--labels", names)["labels"] == ["nut", "bolt", "washer"]
    said = printed(capfd, "verify", "detector_heads:one_class")
    assert "the outputs are read as yolov5, and fit yolov7 too" in said
    assert "the outputs are read as classification, 5 classes" in printed(capfd, "verify", f"{own}:make")


def test_verify_fails_when_a_lossless_arm_differs_by_a_bit(
    own: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurosurgeon_ros.codecs import get_codec

    codec = get_codec("fp32")
    decode = codec.decode

    def damaged(encoded: Any, spec: Any) -> torch.Tensor:
        tensor = decode(encoded, spec).clone()
        tensor.view(torch.int32)[(0,) * tensor.dim()] ^= 1 << 22
        return tensor

    monkeypatch.setattr(codec, "decode", damaged)
    said = printed(capfd, "verify", f"{own}:make", code=1)
    assert "differs" in said and "/fp32" in said.splitlines()[-1]


def test_verify_reports_each_arms_bytes_and_difference() -> None:
    image = picture(3)
    engine = small_engine()
    lossless = verify(engine, image)
    assert {difference for _, difference in lossless.values()} == {0.0}
    every: dict[str, tuple[int, float]] = {
        arm.name: value for arm, value in verify(engine, image, all_codecs=True).items()
    }
    assert every["pool1/fp32"] == (4 * 8 * 8 * 8, 0.0)
    assert 0.0 < every["pool1/fp16"][1] < every["pool1/int8"][1] < every["pool1/int4"][1]
    assert Arm(0, "uint8", "input/uint8") in lossless


def test_a_calibration_is_kept_and_used(own: str, pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = printed(capfd, "calibrate", f"{own}:make", "--images", pictures)
    assert "top-1 on 4 pictures of pictures; of arms with limits on the 2 that gave none" in said
    known = read_fidelity(Path(said.splitlines()[-1]))
    assert (known.calibrated, known.judged) == (2, 4)
    content = points(capfd, f"{own}:make")
    assert content["calibration"] == "top-1 on 4 pictures of pictures"
    figures = {
        f"{point['name']}/{arm['codec']}": (arm["fidelity"], arm["bytes"], arm["allowed"])
        for point in content["points"]
        for arm in point["arms"]
    }
    assert figures.keys() == known.arms.keys()
    for name, arm in known.arms.items():
        assert figures[name] == (arm.fidelity, arm.sent_bytes, arm.reaches(0.95))
    every = printed(capfd, "verify", f"{own}:make", "--all-codecs")
    assert all(name in every for name in known.arms)


def film(path: Path, rate_hz: float, frames: int = 10) -> Path:
    """Write a video whose frames differ."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), rate_hz, (64, 48))
    for level in range(frames):
        writer.write(np.full((48, 64, 3), 20 * level, dtype=np.uint8))
    writer.release()
    return path


def test_images_are_spread_over_a_video(own: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = film(tmp_path / "short.avi", 10.0)
    said = printed(capfd, "calibrate", f"{own}:make", "--images", path, "--most", "3", "--out", tmp_path / "out")
    assert "top-1 on 3 frames of short.avi; of arms with limits on the 1 that gave none" in said
    assert [file.suffix for file in (tmp_path / "out").iterdir()] == [".json"]
    (written,) = (tmp_path / "out").iterdir()
    assert not read_fidelity(written).streams, "the video is too short"


@pytest.mark.parametrize("source", ["video", "pictures"])
def test_codecs_with_memory_are_calibrated_on_successive_frames(
    own: str, source: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = film(tmp_path / "film.avi", 2.0) if source == "video" else tmp_path / "pictures"
    if source == "pictures":
        path.mkdir()
        for number in range(10):
            cv2.imwrite(str(path / f"{number}.png"), np.full((48, 64, 3), 20 * number, dtype=np.uint8))
    rate = ["--rate", "2"] if source == "pictures" else []
    command = ["calibrate", f"{own}:make", "--images", path, "--most", "3", "--out", tmp_path / "out"]
    said = printed(capfd, *command, *rate)
    known = read_fidelity(Path(said.splitlines()[-1]))
    assert "arms with memory, on successive frames" in said
    assert {is_stream_codec(name.partition("/")[2]) for name in known.streams} == {True}
    assert {one.rate_hz for rates in known.streams.values() for one in rates} == {2.0}
    assert known.footage == path.name
    assert not read_fidelity(Path(printed(capfd, *command, *rate, "--no-memory").splitlines()[-1])).streams


def test_codecs_with_memory_are_added_to_a_calibration(
    own: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    one, other = film(tmp_path / "one.avi", 2.0), film(tmp_path / "other.avi", 2.0)
    assert main(["calibrate", f"{own}:make", "--images", str(one), "--only-memory"]) == 2
    assert "has no calibration to keep: leave out --only-memory" in capfd.readouterr().err
    path = Path(printed(capfd, "calibrate", f"{own}:make", "--images", one, "--no-memory").splitlines()[-1])
    before = read_fidelity(path)
    said = printed(capfd, "calibrate", f"{own}:make", "--images", one, other, "--only-memory")
    known = read_fidelity(path)
    assert "of one.avi and other.avi" in said and known.footage == "one.avi and other.avi"
    assert known.streams and not before.streams
    assert (known.arms, known.limits, known.images) == (before.arms, before.limits, before.images)


def test_footage_that_is_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    timeless, mixed = film(tmp_path / "timeless.avi", 10.0), tmp_path / "mixed"
    content = bytearray(timeless.read_bytes())
    struct.pack_into("<II", content, content.index(b"strh") + 28, 1, 100_000)  # the clock in place of the rate
    timeless.write_bytes(content)
    with pytest.raises(UsageError, match=r"timeless.avi has a rate of 100000 frames per second: give its rate with"):
        read_footage(timeless, None, "--images")
    known = read_footage(timeless, 10.0, "--images")
    assert known is not None and (known.rate_hz, known.count, len(list(known.read(4)))) == (10.0, 10, 6)
    mixed.mkdir()
    cv2.imwrite(str(mixed / "1.png"), picture(0))
    assert read_footage(mixed, None, "--images") is None, "single pictures"
    cv2.imwrite(str(mixed / "2.png"), picture(0, 30, 30))
    with pytest.raises(UsageError, match=r"2.png has 30 x 30 pixels where the first picture has 40 x 24: give"):
        read_footage(mixed, 5.0, "--images")
    (mixed / "2.png").write_text("no picture")
    with pytest.raises(UsageError, match=r"2.png cannot be decoded: remove it"):
        read_footage(mixed, 5.0, "--images")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["partitions", "yolo"], ["'yolo'", "yolov3_tiny", "package.module:factory"]),
        (["partitions", "nowhere.net:make"], ["nowhere", "install its package"]),
        (["partitions", "{own}:gone"], ["gone", "package.module:function"]),
        (["verify", "{own}:raises"], ["no disk", "factory"]),
        (["partitions", "gone.pt2"], ["gone.pt2", "missing"]),
        (["partitions", "gone.pt"], ["gone.pt", "missing"]),
        (["partitions", "{own}:make", "--labels", "gone.txt"], ["gone.txt", "missing"]),
        (["verify", "{own}:make", "--labels", "{three}"], ["three.txt names 3 classes", "the network has 5"]),
        (["verify", "detector_heads:wrong_family"], ["do not fit the post-processing yolov5"]),
        (["verify", "detector_heads:unknown"], ["fit no post-processing", "yolov8"]),
        (["partitions", "{broken}"], ["broken.pt2", "export the network again"]),
        (["partitions", "vgg16"], ["random weights"]),
        (["partitions", "{own}:make", "--plot", "/nowhere/points.png"], ["--plot", "/nowhere/points.png"]),
        (["partitions", "{own}:make", "--plot", "points.exe"], ["--plot", "PNG"]),
        (["partitions", "{own}:make", "--min-fidelity", "2"], ["--min-fidelity", "'2'"]),
        (["partitions", "{own}:make", "--rate", "0"], ["--rate", "'0'"]),
        (["verify", "{own}:make", "--image", "gone.png"], ["--image", "gone.png"]),
        (["verify", "{own}:make", "--weights", "gone.pth"], ["gone.pth", "missing"]),
        (["verify", "{own}:make", "--weights", "a.pth", "--random-weights"], ["--random-weights", "not allowed"]),
        (["calibrate", "{own}:make", "--images", "gone"], ["--images", "gone", "No such file"]),
        (["calibrate", "{own}:make", "--images", "{empty}"], ["--images", "no pictures", ".png"]),
        (["calibrate", "{own}:make", "--images", "{broken}"], ["--images", "broken.pt2", "decoded"]),
        (["calibrate", "{own}:make", "--images", "{one}"], ["at least 2 images"]),
        (["calibrate", "yolo", "--images", "{pictures}"], ["'yolo'", "mobilenet_v2"]),
        (["calibrate", "{own}:make", "--images", "{pictures}", "--out", "{broken}"], ["cannot be written"]),
        (["calibrate", "{own}:make", "--images", "{still}"], ["at least 2 images, 1 came"]),
        (["calibrate", "{own}:make", "--images", "{pictures}", "--rate", "0"], ["--rate", "'0'", "0.1 to 1000 Hz"]),
        (["calibrate", "{own}:make", "--most", "1"], ["--most", "'1'", "2"]),
    ],
)
def test_bad_input_is_answered_in_one_sentence(
    own: str, pictures: Path, tmp_path: Path, arguments: list[str], parts: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    places = {"own": own, "pictures": str(pictures), "empty": str(tmp_path / "empty"), "one": str(tmp_path / "one")}
    for name in ("empty", "one"):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / "one" / "only.png"), picture(0))
    (tmp_path / "broken.pt2").write_text("neither network nor video")
    places["still"] = str(film(tmp_path / "still.avi", 10.0, frames=1))
    places["broken"] = str(tmp_path / "broken.pt2")
    (tmp_path / "three.txt").write_text("nut\nbolt\nwasher\n", encoding="utf-8")
    places["three"] = str(tmp_path / "three.txt")
    try:
        code = main([argument.format(**places) for argument in arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capfd.readouterr().err.strip()
    assert code == 2
    assert said.startswith(f"neurosurgeon {arguments[0]}: ")
    assert len(said.splitlines()) == 1
    for part in parts:
        assert part in said
    assert not (tmp_path / "cache" / "calibrations").exists()
