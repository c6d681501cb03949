# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Lost images are counted with the camera_info messages, if the camera publishes them."""

from __future__ import annotations

from neurosurgeon_ros.camera.losses import WINDOW_S, Losses


def watched(seconds: int, *, infos: int, images: int, comparable: bool = True) -> list[tuple[int, int]]:
    """Return what is counted once per second if this many messages of both kinds arrive in each second."""
    losses, seen = Losses(), []
    losses.comparable = comparable
    for second in range(seconds):
        seen.append(losses.recent(float(second)))
        losses.infos, losses.images = losses.infos + infos, losses.images + images
    return seen


def test_images_without_loss_are_none_lost() -> None:
    assert {lost for lost, _ in watched(20, infos=15, images=15)} == {0}


def test_lost_images_are_counted_over_the_last_seconds() -> None:
    lost, sent = watched(20, infos=15, images=6)[-1]
    assert (lost, sent) == (9 * int(WINDOW_S), 15 * int(WINDOW_S))


def test_one_that_is_on_its_way_is_not_lost() -> None:
    losses = Losses()
    losses.comparable = True
    losses.recent(0.0)
    losses.infos, losses.images = 10, 8
    assert losses.recent(1.0) == (0, 10)


def test_nothing_is_said_where_another_node_publishes_the_camera_info() -> None:
    assert set(watched(20, infos=30, images=15, comparable=False)) == {(0, 0)}
    assert Losses().lost == "unknown"


def test_a_camera_without_camera_info_loses_nothing() -> None:
    assert {lost for lost, _ in watched(20, infos=0, images=15)} == {0}


def test_what_was_lost_long_ago_is_forgotten() -> None:
    losses = Losses()
    losses.comparable = True
    losses.recent(0.0)
    losses.infos = 100
    assert losses.recent(1.0) == (100, 100)
    assert [losses.recent(1.0 + WINDOW_S + second)[0] for second in range(3)][-1] == 0
