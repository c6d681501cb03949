# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Arms whose codec has memory: in the arm table only if they are named, with the bytes of a key beside their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from robots import SIDE, picture, small_engine
from stream_codec import NAME, register

from neurosurgeon_ros.calibration.admission import ALL_ARMS, AUTO, Admission, expand
from neurosurgeon_ros.calibration.arm_table import PSI, build_arm_table
from neurosurgeon_ros.calibration.pruning import Costs, useful_arms
from neurosurgeon_ros.codecs import find_codec, get_codec, get_stream_codec

#: Elements of the network's input and of its first feature map after a pooling.
INPUT, POOL = 3 * SIDE * SIDE, 8 * (SIDE // 4) ** 2


@pytest.fixture(autouse=True)
def codec(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch)


def test_a_codec_is_found_by_its_name_with_or_without_memory() -> None:
    assert find_codec(NAME) is get_stream_codec(NAME)
    assert find_codec("fp32") is get_codec("fp32")
    with pytest.raises(ValueError, match="'zip' is not known; choose one of"):
        find_codec("zip")
    with pytest.raises(ValueError, match=f"'fp32' is not known; choose one of .*{NAME}"):
        get_stream_codec("fp32")


def test_only_a_list_that_names_it_has_arms_of_a_codec_with_memory() -> None:
    assert NAME not in expand((AUTO,))
    assert NAME in expand((NAME, "fp32"))
    engine = small_engine()
    arms = engine.arms((NAME, "fp32"))
    points = [point.name for point in engine.partitioned.points[: engine.on_device]]
    assert [arm.name for arm in arms if arm.is_stream] == [f"{point}/{NAME}" for point in points]
    assert {arm.codec for arm in arms if not arm.is_stream} == {"fp32", ""}
    assert not any(arm.is_lossless for arm in arms if arm.is_stream)
    assert not any(arm.is_stream for arm in Admission().admit(engine, arms)), "its fidelity is not known"
    assert len(ALL_ARMS.admit(engine, arms)) == len(arms)


def test_the_arm_table_has_the_bytes_of_a_key_beside_those_of_other_frames() -> None:
    table = build_arm_table(small_engine(), (NAME, "uint8", "fp32"), repeats=2, keep_all=True)
    stream = np.array([arm.is_stream for arm in table.arms])
    assert stream.any() and not stream.all()
    assert np.array_equal(table.key_bytes > 0.0, stream)
    first = table.index(f"input/{NAME}")
    assert (table.features[first, PSI], table.key_bytes[first]) == (INPUT // 4, INPUT)
    assert not table.key_bytes.flags.writeable
    assert (table.profile.encode_s[stream] > 0.0).all() and (table.decode_s[stream] > 0.0).all()


@pytest.mark.parametrize("p", range(small_engine().on_device))
def test_without_a_stream_a_key_is_encoded_and_decoded_alone(p: int) -> None:
    engine = small_engine()
    arm = next(arm for arm in engine.arms((NAME,)) if arm.point == p)
    x = engine.model.preprocess(picture(1))[0]
    tensors = engine.partitioned.run_front(x, p)[p]
    once, twice = (engine.encode(arm, tensors) for _ in range(2))
    assert bytes(once[0].data) == bytes(twice[0].data), "nothing is remembered"
    (decoded,) = engine.decode(p, once)
    if p == 0:
        assert torch.equal(decoded, x)
    else:
        assert torch.allclose(decoded, tensors[0], atol=float(tensors[0].max() - tensors[0].min()) / 250)


def test_tensors_are_sent_plainly_where_an_encoder_fails() -> None:
    engine = small_engine()
    x = engine.model.preprocess(picture(1))[0]
    for p, codec in ((0, "uint8"), (1, "fp32")):
        tensors = engine.partitioned.run_front(x, p)[p]
        encoded = engine.encode_plainly(p, tensors)
        assert [one.codec for one in encoded] == [codec]
        assert torch.equal(engine.decode(p, encoded)[0], tensors[0])


def costs(*arms: tuple[float, float, float, float]) -> Costs:
    """Return costs from milliseconds on the robot, of decoding and of the back-end, and kilobytes, for each arm."""
    return Costs(*(np.array(arms) * [1e-3, 1e-3, 1e-3, 1e3]).T)


def test_an_arm_with_memory_displaces_no_arm_without_and_stays_if_it_is_better() -> None:
    no, stream = np.zeros(4, dtype=np.bool_), np.array([False, True, True, False])
    table = costs((10, 0, 20, 100), (10, 0, 20, 20), (12, 0, 20, 99), (200, 0, 0, 0))
    assert useful_arms(table, camera=no, received=no, stream=no, speed=0.2) == [1, 3]
    assert useful_arms(table, camera=no, received=no, stream=stream, speed=0.2) == [0, 1, 3]
