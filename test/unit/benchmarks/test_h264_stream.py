# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The testbed's alternative that sends an H.264 stream: its two ends, its sender, and how its quality is found."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from std_msgs.msg import Header
from testbed.accuracy import judged_images
from testbed.h264_stream import KEY_DISTANCE, H264Decoder, H264Encoder, encode_seconds
from testbed.options import parse
from testbed.preparation import choose
from testbed.report import page
from testbed.run import RunProblem
from testbed.stream_accuracy import CRFS, PRESETS, Effect, FittedStream, fit_streams, highest_crf, stream_effect
from testbed.stream_sender import StreamSender
from testbed.summary import Row, make_summary
from testbed.systems import H264_STREAM, JPEG_80, systems

from neurosurgeon_ros.codecs import CodecError
from neurosurgeon_ros.inference.throttle import Throttle
from neurosurgeon_ros.models import Detections
from neurosurgeon_ros.robot.slot import LatestSlot

pytest.importorskip("av")

Image = NDArray[np.uint8]
WAIT_S = 10.0


def images(count: int) -> list[Image]:
    """Return images of a textured square that moves over a smooth background."""
    rng = np.random.default_rng(0)
    row = np.linspace(40, 200, 96, dtype=np.uint8)
    background = np.repeat(np.tile(row, (64, 1))[:, :, None], 3, axis=2)
    square = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    made = []
    for number in range(count):
        image = background.copy()
        image[20:36, 2 * number : 2 * number + 16] = square
        made.append(image)
    return made


def header(number: int) -> Header:
    return Header(stamp=Time(sec=number))


def is_key(packet: memoryview) -> bool:
    """Return whether a packet can be decoded without those before it."""
    try:
        H264Decoder().decode(packet)
    except CodecError:
        return False
    return True


class Link:
    """A sender with the packets that it has published."""

    def __init__(self, *, lost_s: float = 3600.0) -> None:
        self.packets: queue.Queue[tuple[int, memoryview]] = queue.Queue()
        self.sender = StreamSender(
            H264Encoder("ultrafast", 20),
            (0.0, 0.0),
            Throttle(),
            lambda header, data: self.packets.put((header.stamp.sec, data)),
            lost_s=lost_s,
        )

    def next(self) -> tuple[int, memoryview]:
        return self.packets.get(timeout=WAIT_S)


@pytest.fixture
def link() -> Iterator[Link]:
    made = Link()
    yield made
    made.sender.close()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_stream_is_decoded_image_by_image_and_keys_come_at_their_distance(preset: str) -> None:
    encoder, decoder, keys = H264Encoder(preset, 12), H264Decoder(), []
    for number, image in enumerate(images(KEY_DISTANCE + 2)):
        expected = encoder.is_key(image)
        packet = encoder.encode(image)
        assert is_key(packet) is expected
        keys += [number] if expected else []
        decoded = decoder.decode(packet)
        assert decoded.shape == image.shape
        assert np.abs(decoded.astype(int) - image).mean() < 12
    assert keys == [0, KEY_DISTANCE]


def test_an_image_of_another_size_is_a_key() -> None:
    encoder, decoder, (image, *_) = H264Encoder("ultrafast", 20), H264Decoder(), images(1)
    for shown in (image, image[:48], image[:48]):
        assert decoder.decode(encoder.encode(shown)).shape == shown.shape


def test_an_image_that_cannot_be_encoded_makes_the_next_one_a_key() -> None:
    encoder, (image, *_) = H264Encoder("ultrafast", 20), images(1)
    encoder.encode(image)
    assert not encoder.is_key(image)
    with pytest.raises(CodecError, match="send it by another codec"):
        encoder.encode(image[:16, :16])
    assert encoder.is_key(image)


def test_after_a_lost_packet_nothing_is_decoded_until_a_key() -> None:
    encoder, decoder = H264Encoder("ultrafast", 20), H264Decoder()
    packets = [encoder.encode(image) for image in images(4)]
    decoder.decode(packets[0])
    for packet in packets[2:]:
        with pytest.raises(CodecError, match="send a key"):
            decoder.decode(packet)
    decoder.decode(encoder.encode(images(1)[0], key=True))


@pytest.mark.parametrize("data", [b"", b"\0" * 5, b"no video at all", b"12345\0\0\1", b"12345\0\0\0\1\x67"])
def test_what_is_no_packet_is_refused(data: bytes) -> None:
    with pytest.raises(CodecError, match="send a key"):
        H264Decoder().decode(memoryview(data))


def test_a_damaged_packet_is_refused() -> None:
    encoder = H264Encoder("ultrafast", 20)
    packet = bytearray(encoder.encode(images(1)[0]))
    packet[-1] ^= 1
    with pytest.raises(CodecError, match="send a key"):
        H264Decoder().decode(memoryview(packet))


def test_the_time_to_encode_is_measured_for_keys_and_for_others() -> None:
    key_s, other_s = encode_seconds("ultrafast", 20, images(3))
    assert 0.0 < key_s < WAIT_S
    assert 0.0 < other_s < WAIT_S


def test_while_a_packet_is_on_the_way_only_the_newest_image_waits(link: Link) -> None:
    shown, decoder = images(4), H264Decoder()
    link.sender.put(header(0), shown[0])
    number, packet = link.next()
    decoder.decode(packet)
    for waiting in (1, 2, 3):
        link.sender.put(header(waiting), shown[waiting])
    assert link.packets.empty()
    link.sender.acknowledge(header(number))
    number, packet = link.next()
    assert number == 3
    assert not is_key(packet)
    decoder.decode(packet)


def test_an_acknowledgement_of_another_packet_frees_nothing(link: Link) -> None:
    first, second = images(2)
    link.sender.put(header(5), first)
    link.next()
    link.sender.put(header(6), second)
    link.sender.acknowledge(header(4))
    with pytest.raises(queue.Empty):
        link.packets.get(timeout=0.1)
    link.sender.acknowledge(header(5))
    assert link.next()[0] == 6


def test_a_request_for_a_key_is_answered_without_waiting(link: Link) -> None:
    first, second = images(2)
    link.sender.put(header(0), first)
    link.next()
    link.sender.request_key()
    link.sender.put(header(1), second)
    assert is_key(link.next()[1])


def test_a_packet_that_nobody_acknowledges_counts_as_lost_and_a_key_follows() -> None:
    link = Link(lost_s=0.05)
    try:
        for number, image in enumerate(images(3)):
            link.sender.put(header(number), image)
            assert is_key(link.next()[1])
    finally:
        link.sender.close()


def test_an_image_that_cannot_be_encoded_does_not_stop_the_sender(link: Link, capsys: pytest.CaptureFixture) -> None:
    (image,) = images(1)
    link.sender.put(header(0), image[:16, :16])
    end_s = time.monotonic() + WAIT_S
    while "an image was not sent" not in capsys.readouterr().err:
        assert time.monotonic() < end_s
        time.sleep(0.005)
    link.sender.put(header(1), image)
    assert link.next()[0] == 1


def test_a_sender_closes_while_a_packet_is_on_the_way(link: Link) -> None:
    link.sender.put(header(0), images(1)[0])
    link.next()
    link.sender.close()


def test_the_newest_item_replaces_the_one_that_waits() -> None:
    slot: LatestSlot[int] = LatestSlot()
    slot.put(1)
    slot.put(2)
    assert slot.take() == 2
    slot.put(3)
    slot.close()
    assert slot.take() is None


def test_the_highest_crf_is_found_by_bisection() -> None:
    for most in CRFS:
        assert highest_crf(lambda crf, most=most: 0.96 if crf <= most else 0.5, 0.95) == most
    assert highest_crf(lambda _: 0.0, 0.95) == CRFS[0]


def test_each_preset_is_fitted_to_each_agreement_and_nothing_is_judged_twice() -> None:
    judged = []

    def effect_of(preset: str, crf: int) -> Effect:
        judged.append((preset, crf))
        return Effect(1.0 - 0.002 * crf - (0.01 if preset == "veryfast" else 0.0), 1000.0 / crf)

    fitted = fit_streams(effect_of, [(0.95, "0.95"), (0.97, "jpeg 80")])
    assert [(one.preset, one.crf, one.in_words) for one in fitted] == [
        ("ultrafast", 24, "the highest crf with 0.95"),
        ("ultrafast", 14, "the highest crf with jpeg 80"),
        ("veryfast", 20, "the highest crf with 0.95"),
        ("veryfast", 10, "the highest crf with jpeg 80"),
    ]
    assert len(judged) == len(set(judged))
    assert len(fit_streams(effect_of, [(0.95, "0.95"), (0.9499, "the same")])) == len(PRESETS)


def test_where_no_crf_agrees_well_enough_the_best_one_is_taken_and_named_so() -> None:
    fitted = fit_streams(lambda _, crf: Effect(0.94 if crf == 14 else 0.9, 1e3), [(0.95, "F1 ≥ 0.95")])
    assert [(one.preset, one.crf, one.f1) for one in fitted] == [(preset, 14, 0.94) for preset in PRESETS]
    assert all(one.in_words == "the best F1 that was found, because no crf has F1 ≥ 0.95" for one in fitted)


def test_a_stream_is_judged_as_it_is_played() -> None:
    found = Detections(np.array([[10.0, 10.0, 4.0, 4.0]]), np.array([0.9]), np.array([1]))
    seen: list[Image] = []

    def detect(image: Image) -> Detections:
        seen.append(image)
        return found

    shown = images(4)
    good = stream_effect(detect, [found] * 4, shown, range(0, 4, 2), preset="ultrafast", crf=10)
    small = stream_effect(detect, [found] * 4, shown, range(0, 4, 2), preset="ultrafast", crf=36)
    assert good.f1 == 1.0
    assert good.mean_bytes > small.mean_bytes > 0
    assert len(seen) == 4, "only judged images are looked at"
    assert np.abs(seen[1].astype(int) - shown[2]).mean() < 12


def test_judged_images_are_spread_over_keys_and_others() -> None:
    assert judged_images(240) == range(240)
    for count in (241, 636, 1200, 5000):
        judged = judged_images(count)
        assert len(judged) <= 240
        assert all(later - earlier == judged.step for earlier, later in pairwise(judged))
        assert {number % KEY_DISTANCE for number in judged} == set(range(KEY_DISTANCE))


def test_fitted_streams_are_systems_that_are_chosen_together() -> None:
    fitted = (FittedStream("ultrafast", 20, 0.96, 9e3, "F1 ≥ 0.95"), FittedStream("veryfast", 28, 0.93, 5e3, "jpeg"))
    everything = systems(90, fitted)
    chosen = choose(everything, H264_STREAM)
    assert [(one.name, one.h264, one.judged) for one in chosen] == [
        ("h264_stream_ultrafast_crf20", ("ultrafast", 20), True),
        ("h264_stream_veryfast_crf28", ("veryfast", 28), False),
    ]
    assert all(one.listed and one.images == "h264" and not one.is_package for one in chosen)
    assert f"a key every {KEY_DISTANCE} images" in chosen[0].in_words
    assert [one.name for one in choose(everything, "jpeg_lowest")] == ["jpeg_90"]
    with pytest.raises(RunProblem, match="h264_stream_slow"):
        choose(everything, "h264_stream_slow")


def test_the_page_says_how_a_stream_goes_on_after_a_loss_where_one_ran() -> None:
    everything = systems(90, (FittedStream("ultrafast", 20, 0.96, 9e3, "F1 ≥ 0.95"),))
    about = {"machine": "m", "link": "l", "model": "m", "robot_speed": 0.2, "camera_hz": 4.0, "image": [768, 576]}
    about |= {"warm_up_frames": 4, "video": "fixed"}
    delay_ms = dict.fromkeys(("mean", "p50", "p95", "p99"), 90.0)
    pages = [
        page(make_summary([Row(name, 4.0, delay_ms, 4.0, 1e4, 0.1, 0.1, 0.96, 60, 60)], everything, about, {}))
        for name in (everything[-1].name, JPEG_80)
    ]
    assert all("from the shipped fixed video" in one for one in pages)
    assert "| `h264_stream_ultrafast_crf20` | 90 ms |" in pages[0]
    assert ["After a lost or damaged packet" in one for one in pages] == [True, False]
    assert ["- `h264_stream_ultrafast_crf20`: an H.264 stream" in one for one in pages] == [True, False]


def test_the_video_is_one_of_those_that_are_shipped(capsys: pytest.CaptureFixture) -> None:
    assert parse([]).video == "street"
    assert parse(["--video", "fixed"]).video == "fixed"
    with pytest.raises(SystemExit):
        parse(["--video", "other.mp4"])
    assert "other.mp4" in capsys.readouterr().err
