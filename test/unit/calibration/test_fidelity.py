# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from robots import Small, picture, small_engine, small_model
from torch import nn

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.arm_table import build_arm_table
from neurosurgeon_ros.calibration.calibrate import calibrate, fit_limits
from neurosurgeon_ros.calibration.fidelity import (
    ArmFidelity,
    CalibrationProblem,
    FidelityTable,
    find_fidelity,
    read_fidelity,
    write_fidelity,
)
from neurosurgeon_ros.codecs import CodecError, Limits, get_codec
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.classification import Classification


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NEUROSURGEON_CACHE", str(tmp_path))
    return tmp_path


def table(fingerprint: str = "f" * 64) -> FidelityTable:
    arms = {"pool1/int8": ArmFidelity(0.97, 0.94, 0.99, 1234.5)}
    limits = {"pool1/int4-cal-zstd": (None, Limits((-0.25, 0.0), (1.5, 2.0)))}
    return FidelityTable("small", fingerprint, "f1", "4 pictures of desk", 2, 2, arms, limits=limits)


def test_what_was_written_is_found_by_the_networks_fingerprint(cache: Path) -> None:
    assert find_fidelity("f" * 64) is None
    path = write_fidelity(table())
    assert path.parent == cache / "calibrations"
    read = find_fidelity("f" * 64)
    assert read is not None
    assert read.limits == table().limits
    assert dataclasses.asdict(read) == dataclasses.asdict(table())
    assert [other.name for other in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("shipped", sorted(("yolov3_tiny", "mobilenet_v2")))
def test_the_networks_that_ship_have_a_calibration_from_the_first_frame(shipped: str, tmp_path: Path) -> None:
    engine = Engine.load(shipped)
    known = find_fidelity(engine.fingerprint)
    assert known is not None and known.model == shipped
    assert known.judged >= 50
    arms = {arm.name for arm in engine.arms(("fp16", "int8", "int8-zstd", "uint8")) if arm.codec}
    assert arms <= known.arms.keys()
    assert any(arm.reaches(0.95) and 0 < arm.sent_bytes < 100_000 for arm in known.arms.values())


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"arms": {"pool1/int8": {"fidelity": 0.9}}},
        {"arms": {"pool1/int8": {"fidelity": 1.9, "low": 0.9, "high": 1.0, "sent_bytes": 1}}},
        {"arms": {"pool1/int8": {"fidelity": 0.9, "low": 0.9, "high": 1.0, "sent_bytes": -1}}},
        {"arms": ["pool1/int8"]},
        {"limits": {"pool1/int4-cal-zstd": [{"low": [0.0], "high": [-1.0]}]}},
        {"limits": {"pool1/int4-cal-zstd": [{"low": [0.0]}]}},
        {"limits": {"pool1/int4-cal-zstd": 3}},
        {"judged": "many"},
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(cache: Path, change: dict[str, object]) -> None:
    path = write_fidelity(table())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(CalibrationProblem, match=r"cannot be read .*: delete it, or calibrate again") as caught:
        find_fidelity("f" * 64)
    assert "\n" not in str(caught.value)
    path.write_text("no JSON")
    with pytest.raises(CalibrationProblem, match="cannot be read"):
        read_fidelity(path)


def test_a_folder_that_cannot_be_written_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CalibrationProblem, match="cannot be written"):
        write_fidelity(table(), tmp_path / "file")
    (tmp_path / "folder" / f"{'f' * 64}.json").mkdir(parents=True)  # a folder in the place of the file
    with pytest.raises(CalibrationProblem, match="cannot be written"):
        write_fidelity(table(), tmp_path / "folder")
    assert [left.name for left in (tmp_path / "folder").iterdir()] == [f"{'f' * 64}.json"]


def test_a_calibration_judges_every_arm() -> None:
    engine = small_engine()
    steps: list[None] = []
    measured = calibrate(
        engine, [picture(seed) for seed in range(6)], described="6 pictures", step=lambda: steps.append(None)
    )
    assert len(steps) == 6
    assert (measured.fingerprint, measured.calibrated, measured.judged) == (engine.fingerprint, 3, 6)
    assert measured.arms["input/uint8"] == ArmFidelity(1.0, 1.0, 1.0, 32 * 32 * 3)
    assert measured.arms["pool1/fp16"].sent_bytes == 2 * 8 * 8 * 8
    assert measured.arms["input/jpeg75-420"].sent_bytes < 32 * 32 * 3
    assert all(0.0 <= arm.low <= arm.fidelity <= arm.high <= 1.0 for arm in measured.arms.values())
    # The boxes of the small network are its outputs. Coarse steps move them further than fine ones.
    assert measured.arms["pool1/fp16"].fidelity >= measured.arms["pool1/int4"].fidelity


def test_classifications_are_judged_by_the_best_class() -> None:
    class Classes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small = Small()
            self.flatten = nn.Flatten()

        def forward(self, image: object) -> object:
            return self.flatten(self.small(image))

    model = dataclasses.replace(small_model(), network=Classes().eval(), postprocess=Classification())
    measured = calibrate(Engine(model), [picture(seed) for seed in range(4)], described="4 pictures")
    assert measured.measure == "top-1"
    assert {arm.fidelity for arm in measured.arms.values()} <= {0.0, 0.25, 0.5, 0.75, 1.0}
    assert measured.arms["input/uint8"].fidelity == 1.0


def test_a_calibration_without_images_is_refused() -> None:
    with pytest.raises(CalibrationProblem, match="at least 2 images, 0 came"):
        calibrate(small_engine(), [], described="nothing")


def test_limits_are_fitted_at_every_point_and_arms_keep_to_them() -> None:
    engine = small_engine()
    limits = fit_limits(engine, [picture(seed) for seed in range(4)])
    arms = {arm.name: arm for arm in engine.arms(("int4-zstd", "int4-cal-zstd"), limits=limits)}
    assert {name for name in arms if "-cal-" in name} == {
        name.replace("zstd", "cal-zstd") for name in arms if name.endswith("/int4-zstd")
    }
    assert not any("-cal-" in arm.name for arm in engine.arms(("int4-cal-zstd",)))
    arm = arms["pool1/int4-cal-zstd"]
    (fitted,) = limits[arm.name]
    assert fitted is not None
    x, _ = engine.model.preprocess(picture(1))
    tensors = engine.partitioned.run_front(x, arm.point)[arm.point]
    (encoded,) = engine.encode(arm, [8 * tensors[0]])  # out of all limits: its own range suits it better
    assert encoded.scale[0] > 2 * (fitted.high[0] - fitted.low[0]) / 15
    assert engine.decode(arm.point, [encoded])[0].shape == tensors[0].shape


def test_an_arm_with_limits_is_kept_where_no_other_of_its_point_is_as_good_for_less() -> None:
    engine = small_engine()
    measured = calibrate(engine, [picture(seed) for seed in range(8)], described="8 pictures")
    found = fit_limits(engine, [picture(seed) for seed in range(8)])
    assert {name for name in measured.arms if get_codec(name.partition("/")[2]).calibrated} == measured.limits.keys()
    assert measured.limits.keys() < found.keys()
    for name in measured.limits:
        point, known = name.partition("/")[0], measured.arms[name]
        rivals = [arm for other, arm in measured.arms.items() if other.partition("/")[0] == point]
        assert not any(arm.sent_bytes < known.sent_bytes and arm.fidelity >= known.fidelity for arm in rivals)
    table = build_arm_table(engine, ("int4-cal-zstd", "int6-cal-zstd"), admission=Admission(0.0, measured))
    names = {arm.name for arm in (*table.arms, *table.left_out) if arm.codec}
    assert names == {name for name in measured.limits if name.endswith(("int4-cal-zstd", "int6-cal-zstd"))}


def test_limits_of_another_network_are_refused() -> None:
    engine = small_engine()
    one = Limits((0.0,), (1.0,))
    for limits in ((), (one, one), (Limits((0.0, 0.0), (1.0, 1.0)),)):
        with pytest.raises(CodecError, match="calibrate again"):
            engine.arms(("int4-cal-zstd",), limits={"pool1/int4-cal-zstd": limits})
