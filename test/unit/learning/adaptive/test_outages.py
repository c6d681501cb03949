# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The adaptive policy after any disturbance of link and edge: a good arm is in use again within 30 frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from drives import ON_DEVICE, PERIOD_S, ROBOT_S, Drive
from hypothesis import given, settings
from hypothesis import strategies as st

#: Frames must be fast again within this many frames. This many frames in a row show it, if their mean delay is at most
#: this many best delays.
BACK_WITHIN, IN_A_ROW, AS_GOOD = 30, 5, 1.2
#: Maximum seconds between two measurements of the edge, whatever the policy believes; see `AdaptiveMuLinUcb`.
LONGEST_WITHOUT_LOOK_S = 2.0


@pytest.mark.parametrize("mbps", [16.0, 50.0])
@pytest.mark.parametrize("away_s", [2, 60, 600])
@pytest.mark.parametrize("tested", [True, False], ids=["a test is answered", "without a word"])
def test_the_edge_is_in_use_again_soon_after_an_outage(mbps: float, away_s: int, tested: bool) -> None:
    drive = Drive(mbps, seed=1)
    for _ in range(150):
        before = drive.step()
    assert before != ON_DEVICE
    drive.mbps = 0.0
    missed = [drive.step() for _ in range(20)]
    assert missed[0] != ON_DEVICE and missed[-1] == ON_DEVICE, "what is missed is learnt from"
    drive.available = False
    for _ in range(int(away_s / PERIOD_S)):
        assert drive.step() == ON_DEVICE
    drive.set_right(mbps)
    if tested:
        drive.answer_test()
    arms = [drive.step() for _ in range(30)]
    assert before in arms, "3 s of frames: the rest of 10 s are the breaker's"
    assert arms[-1] == before


@dataclass(frozen=True)
class Episode:
    """
    A temporary disturbance of link or edge.

    :param frames: number of frames for which it lasts.
    :param changes: changed attributes of :class:`Drive`.
    :param skipped_s: seconds before it in which the camera sends no image.
    """

    frames: int
    changes: dict[str, float]
    skipped_s: float = 0.0


def lasting(name: str, values: st.SearchStrategy[float]) -> st.SearchStrategy[Episode]:
    return st.builds(lambda frames, value: Episode(frames, {name: value}), st.integers(5, 600), values)


EPISODES = st.one_of(
    lasting("mbps", st.floats(-2.0, 0.0).map(lambda exponent: 10.0**exponent)),
    lasting("mbps", st.just(0.0)),
    lasting("available", st.just(0.0)),
    lasting("slower", st.floats(0.5, 3.0).map(lambda exponent: 10.0**exponent)),
    lasting("claimed_s", st.sampled_from([0.0, 1e-9, 0.2, 10.0, 1e6])),
    lasting("noise", st.sampled_from([0.3, 0.5])),
    st.builds(lambda frames: Episode(frames, {}, skipped_s=7200.0), st.integers(5, 100)),
)


any_history = given(
    mbps=st.sampled_from([16.0, 50.0, 200.0]),
    seed=st.integers(0, 1000),
    episodes=st.lists(EPISODES, min_size=1, max_size=4),
)


@any_history
@settings(max_examples=120, deadline=None, derandomize=True)
def test_no_history_keeps_frames_on_the_robot(mbps: float, seed: int, episodes: list[Episode]) -> None:
    """Disturbances: slow and dead links, absent and slow edges, false durations, noise, and hours without an image."""
    assert_comes_back(mbps, seed, episodes)


@pytest.mark.full
@any_history
@settings(max_examples=1000, deadline=None, derandomize=True)
def test_none_of_many_histories_keeps_frames_on_the_robot(mbps: float, seed: int, episodes: list[Episode]) -> None:
    assert_comes_back(mbps, seed, episodes)


def assert_comes_back(mbps: float, seed: int, episodes: list[Episode]) -> None:
    """Assert that an arm that is as good as the best one is chosen again soon after the episodes."""
    drive = Drive(mbps, seed)
    for episode in episodes:
        drive.now_s += episode.skipped_s
        for name, value in episode.changes.items():
            setattr(drive, name, value)
        for _ in range(episode.frames):
            drive.step()
        drive.set_right(mbps)
    arms = [drive.step() for _ in range(BACK_WITHIN + IN_A_ROW)]
    ratio = drive.total_s()[arms] / drive.total_s().min()
    means = np.convolve(ratio, np.full(IN_A_ROW, 1.0 / IN_A_ROW), mode="valid")
    assert (means <= AS_GOOD).any(), arms
    assert not drive.refused, "a frame that the robot keeps for its own reasons tells the policy nothing"


@given(
    mbps=st.sampled_from([0.05, 0.5, 16.0]),
    slower=st.sampled_from([1.0, 1000.0]),
    seed=st.integers(0, 1000),
    episodes=st.lists(EPISODES, max_size=2),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_the_edge_is_measured_again_and_again(mbps: float, slower: float, seed: int, episodes: list[Episode]) -> None:
    """A link or an edge that is too slow for any frame is measured all the same, unless a request is outstanding."""
    drive = Drive(mbps, seed)
    for episode in (*episodes, Episode(300, {"mbps": mbps, "slower": slower})):
        drive.now_s += episode.skipped_s
        for name, value in episode.changes.items():
            setattr(drive, name, value)
        for _ in range(episode.frames):
            drive.step()
        assert drive.longest_without_look_s <= LONGEST_WITHOUT_LOOK_S + 2.0 * ROBOT_S[ON_DEVICE]
        drive.set_right(mbps)
