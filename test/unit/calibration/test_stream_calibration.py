# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Calibration of arms with memory on successive frames, and what a robot makes of it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from robots import picture, small_engine
from stream_codec import IMAGES, NAME, register

from neurosurgeon_ros.calibration.admission import AUTO, Admission, expand
from neurosurgeon_ros.calibration.agreement import Matches
from neurosurgeon_ros.calibration.arm_table import PSI, build_arm_table
from neurosurgeon_ros.calibration.calibrate import Judge
from neurosurgeon_ros.calibration.calibrate_streams import calibrate_streams, frontier
from neurosurgeon_ros.calibration.fidelity import (
    ArmFidelity,
    CalibrationProblem,
    FidelityTable,
    StreamFidelity,
    read_fidelity,
    write_fidelity,
)
from neurosurgeon_ros.calibration.footage import MOST_JUDGED, MOST_SENT, MOST_STREAMS, STREAMS, Footage, Image
from neurosurgeon_ros.calibration.stream_trial import StreamTrial
from neurosurgeon_ros.codecs import CODECS, CameraImage
from neurosurgeon_ros.codecs.camera import CUSTOMARY_PIXELS

ARM = f"pool1/{NAME}"


@pytest.fixture(autouse=True)
def codec(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def moving(index: int) -> Image:
    """Return a frame of noise, of which one column changes with each frame."""
    image = picture(7)
    image[:, index % image.shape[1]] = index % 256
    return image


def footage(rate_hz: float = 10.0, count: int = 60) -> Footage:
    def read(begin: int) -> Iterator[Image]:
        return (moving(index) for index in range(begin, count))

    return Footage(rate_hz, count, read)


def stream(rate_hz: float, low: float = 0.95, sent: float = 100.0, key: float = 900.0) -> StreamFidelity:
    return StreamFidelity(0.97, low, 0.99, sent, rate_hz=rate_hz, key_bytes=key)


def table(**streams: tuple[StreamFidelity, ...]) -> FidelityTable:
    arms = {"pool1/int8": ArmFidelity(0.97, 0.94, 0.99, 1234.5)}
    named = {f"{point}/{NAME}": rates for point, rates in streams.items()}
    return FidelityTable("small", small_engine().fingerprint, "f1", "frames", 2, 2, arms, 960.0, streams=named)


@pytest.mark.parametrize(
    ("rate_hz", "judged_hz"),
    [
        (25.0, [25 / 13, 5.0, 25 / 3, 25.0]),
        (10.0, [2.0, 5.0, 10.0]),
        (29.97, [29.97 / 15, 29.97 / 6, 9.99, 29.97 / 2]),
        (24.975, [24.975 / 13, 24.975 / 5, 24.975 / 3, 24.975]),
        (1.0, [1.0]),
    ],
)
def test_streams_have_the_rates_that_the_camera_allows(rate_hz: float, judged_hz: list[float]) -> None:
    plans = footage(rate_hz, round(60 * rate_hz)).plans()
    assert [plan.rate_hz for plan in plans] == pytest.approx(judged_hz)
    for plan in plans:
        assert len(plan.begins) == len(set(plan.begins)) == MOST_STREAMS
        first = sorted(plan.begins[:STREAMS])
        assert max(np.diff(first)) <= max(plan.begins) / (STREAMS - 1), "the first few are spread evenly"
        assert max(plan.begins) + plan.every * (plan.sent - 1) == round(60 * rate_hz) - 1, "the last frame is used"
        assert 0 not in plan.judged and max(plan.judged) == plan.sent - 1
        assert plan.sent <= MOST_SENT and len(plan.judged) <= MOST_JUDGED


def test_short_footage_has_no_streams() -> None:
    assert footage(10.0, 39).plans() == footage(0.2, 1).plans() == ()
    assert [plan.sent for plan in footage(10.0, 40).plans()] == [8, 20, 40]
    assert calibrate_streams(small_engine(), [footage(10.0, 39)], codecs=(NAME,)) == {}


def test_arms_with_memory_are_judged_at_each_rate() -> None:
    engine, steps = small_engine(), list[None]()
    film = footage()
    found = calibrate_streams(engine, [film], codecs=(NAME, IMAGES, "fp32"), step=lambda: steps.append(None))
    assert len(steps) == sum(plan.steps for plan in film.plans())
    assert found.keys() == {arm.name for arm in engine.arms((NAME, IMAGES)) if arm.is_stream}
    for rates in found.values():
        assert [one.rate_hz for one in rates] == pytest.approx([2.0, 5.0, 10.0])
        assert all(0.0 <= one.low <= one.fidelity <= one.high <= 1.0 for one in rates)
        assert all(0.0 < one.sent_bytes < one.key_bytes for one in rates)
        sent = [one.sent_bytes for one in rates]
        assert sent == sorted(sent, reverse=True), "more changes between frames that are further apart"
    assert {one.fidelity for name in (f"input/{NAME}", f"input/{IMAGES}") for one in found[name]} == {1.0}


def test_of_several_cameras_the_one_with_the_least_agreement_counts() -> None:
    engine = small_engine()
    still = Footage(5.0, 30, lambda begin: (picture(3) for _ in range(begin, 30)))
    alone = [calibrate_streams(engine, [one], codecs=(NAME,))[ARM] for one in (footage(), still)]
    both = calibrate_streams(engine, [footage(), still], codecs=(NAME,))[ARM]
    assert [one.rate_hz for one in both] == pytest.approx([2.0, 5.0, 10.0])
    assert both[2] == alone[0][2], "the slower camera says nothing about 10 Hz"
    for pooled, of_one, of_other in zip(both[:2], *(rates[:2] for rates in alone), strict=True):
        assert pooled.low == min(of_one.low, of_other.low)
        assert pooled.sent_bytes == pytest.approx((of_one.sent_bytes + of_other.sent_bytes) / 2)
        assert pooled.key_bytes == pytest.approx((of_one.key_bytes + of_other.key_bytes) / 2)


def test_an_arm_that_agrees_too_little_is_measured_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = small_engine()
    monkeypatch.setattr(Judge, "match", lambda judge, whole, other: Matches(7, 10, 10))
    steps = list[None]()
    assert calibrate_streams(engine, [footage()], codecs=(NAME,), step=lambda: steps.append(None)) == {}
    assert len(steps) == sum(plan.steps for plan in footage().plans()), "progress comes to its end"


def test_the_bytes_are_those_of_the_codecs_own_frames() -> None:
    engine = small_engine()
    arm = next(arm for arm in engine.arms((IMAGES,)) if arm.is_stream)
    trial, sent = StreamTrial(engine, arm), []
    with torch.inference_mode():
        for index in range(3):
            sent.append(trial.send((), CameraImage(moving(index))))
            assert torch.equal(sent[-1].tensors[0], engine.model.preprocess(moving(index))[0])
        other = trial.send((), CameraImage(picture(1, 30, 30)))
    assert [frame.is_key for frame in sent] == [True, False, False]
    assert other.is_key, "an image of another size builds on nothing"


def test_a_tensor_that_a_key_left_out_makes_the_next_frame_a_key() -> None:
    engine = small_engine()
    arm = next(arm for arm in engine.arms((NAME,)) if arm.name == ARM)
    image = CameraImage(picture(0))
    tensors = engine.partitioned.run_front(engine.model.preprocess(image.pixels)[0], arm.point)[arm.point]
    spoilt = tensors[0].clone()
    spoilt[0, 0, 0, 0] = torch.nan
    trial = StreamTrial(engine, arm)
    frames = [trial.send(one, image) for one in ((spoilt,), tensors, tensors, (spoilt,), tensors)]
    assert [frame.is_key for frame in frames] == [True, True, False, False, False]
    assert torch.equal(frames[0].tensors[0].isnan(), spoilt.isnan())


def test_an_arm_is_kept_if_no_other_of_its_point_agrees_as_well_with_fewer_bytes() -> None:
    arms = {arm.name: arm for arm in small_engine().arms((NAME, IMAGES)) if arm.is_stream}
    one, twin, image = arms[f"input/{NAME}"], arms[ARM], arms[f"input/{IMAGES}"]
    rival = dataclasses.replace(one, codec="other", name="input/other")

    def left(*pairs: tuple[float, float]) -> list[str]:
        chosen = (one, rival, twin, image)
        known = dict(zip(chosen, (StreamFidelity(f, f, f, b, 2.0, 9.0) for f, b in pairs), strict=True))
        return [arm.name for arm in frontier(known)]

    others = [twin.name, image.name]
    assert left((0.9, 10.0), (0.8, 20.0), (0.7, 30.0), (0.6, 40.0)) == [one.name, *others]
    assert left((0.9, 20.0), (0.9, 10.0), (0.7, 30.0), (0.6, 40.0)) == [rival.name, *others]
    assert left((0.9, 20.0), (0.8, 10.0), (0.7, 30.0), (0.6, 40.0)) == [one.name, rival.name, *others]
    assert left((0.9, 10.0), (0.9, 10.0), (0.7, 30.0), (0.6, 40.0)) == [one.name, rival.name, *others]


def test_the_rate_that_counts_is_the_nearest_one_not_above_the_cameras() -> None:
    known = table(pool1=(stream(2.0), stream(5.0), stream(10.0)))
    at = {hz: known.stream_at(ARM, hz) for hz in (0.0, 1.0, 4.7, 4.9, 9.0, 9.9, 60.0)}
    assert {hz: one.rate_hz for hz, one in at.items() if one is not None} == {
        0.0: 2.0,
        1.0: 2.0,
        4.7: 2.0,
        4.9: 5.0,
        9.0: 5.0,
        9.9: 10.0,
        60.0: 10.0,
    }
    assert known.stream_at("pool2/none", 5.0) is None


def test_auto_has_the_arms_with_memory_that_are_calibrated_well_enough() -> None:
    engine = small_engine()
    known = table(pool1=(stream(2.0, low=0.5), stream(10.0)), conv2=(stream(2.0), stream(10.0, low=0.5)))
    assert NAME not in expand((AUTO,), table())
    assert expand((AUTO,), known) == (*CODECS, NAME)
    assert expand((AUTO, IMAGES), None) == (*CODECS, IMAGES)
    arms = engine.arms(expand((AUTO,), known))

    def admitted(rate_hz: float) -> list[str]:
        admission = Admission(fidelity=known, rate_hz=rate_hz)
        return [arm.name for arm in admission.admit(engine, arms) if arm.is_stream]

    assert admitted(10.0) == [ARM]
    assert admitted(5.0) == admitted(0.0) == [f"conv2/{NAME}"]


def test_the_arm_table_starts_with_the_bytes_of_the_rate() -> None:
    engine = small_engine()
    known = table(pool1=(stream(2.0, sent=300.0, key=800.0), stream(10.0, sent=100.0, key=900.0)))
    for rate_hz, expected in ((0.0, (300.0, 800.0)), (10.0, (100.0, 900.0))):
        built = build_arm_table(
            engine,
            expand((AUTO,), known),
            admission=Admission(fidelity=known, rate_hz=rate_hz),
            repeats=1,
            keep_all=True,
        )
        arm = built.index(ARM)
        assert (built.features[arm, PSI], built.key_bytes[arm]) == expected
        assert built.fidelity[arm] == 0.97
        assert np.count_nonzero(built.key_bytes) == 1
    image = next(arm for arm in engine.arms((IMAGES,)) if arm.is_stream)
    admission = Admission(fidelity=dataclasses.replace(known, streams={image.name: (stream(2.0),)}))
    assert admission.expected_bytes(engine, image) == 100.0
    assert admission.expected_bytes(engine, image, customary=True) == pytest.approx(100.0 * CUSTOMARY_PIXELS / 960.0)
    assert admission.expected_key_bytes(engine, image, customary=True) == pytest.approx(
        900.0 * CUSTOMARY_PIXELS / 960.0
    )


def test_a_file_keeps_the_rates_and_one_without_them_stays_readable(tmp_path: Path) -> None:
    known = table(pool1=(stream(2.0), stream(10.0, sent=33.25)))
    path = write_fidelity(known, tmp_path)
    assert read_fidelity(path).streams == known.streams
    content = json.loads(path.read_text())
    content["streams"][ARM].reverse()
    path.write_text(json.dumps(content))
    assert read_fidelity(path).streams == known.streams
    del content["streams"]
    path.write_text(json.dumps(content))
    assert read_fidelity(path).streams == {}


@pytest.mark.parametrize(
    "streams",
    [
        {ARM: []},
        {ARM: [{"fidelity": 0.9, "low": 0.9, "high": 1.0, "sent_bytes": 1}]},
        {ARM: [{**dataclasses.asdict(stream(2.0)), "rate_hz": 0.0}]},
        {ARM: [{**dataclasses.asdict(stream(2.0)), "key_bytes": -1.0}]},
        {ARM: [{**dataclasses.asdict(stream(2.0)), "low": 2.0}]},
        {ARM: 3},
        [],
    ],
)
def test_damaged_rates_are_refused_in_one_sentence(tmp_path: Path, streams: object) -> None:
    path = write_fidelity(table(pool1=(stream(2.0),)), tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), "streams": streams}))
    with pytest.raises(CalibrationProblem, match=r"cannot be read .*: delete it, or calibrate again") as caught:
        read_fidelity(path)
    assert "\n" not in str(caught.value)
