# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Packets of a camera's video: those that are decoded, and those that are rejected in one sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from camera_videos import ENCODERS, FIXED, STREET, encoded, ffmpeg_message, foxglove_message, shipped_frames
from std_msgs.msg import Header

from neurosurgeon_ros.camera.packet_gaps import PtsGaps, PublicationGaps
from neurosurgeon_ros.camera.transports import FFMPEG, FOXGLOVE
from neurosurgeon_ros.camera.video_decoding import MOST_WAITING, VideoDecoding
from neurosurgeon_ros.camera.video_messages import read_ffmpeg, read_foxglove
from neurosurgeon_ros.robot.arrival import Arrival, ImageRejected

pytest.importorskip("av", reason="a camera's video needs PyAV")

TOPIC = "/image_raw/ffmpeg"


class Heard:
    """
    What a decoding gave for each packet, in order.

    :ivar stamps: seconds of the stamps of the pictures.
    """

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.reasons: list[str] = []
        self.skipped: list[str] = []
        self._changed = threading.Condition()

    @property
    def stamps(self) -> list[int]:
        return [one.header.stamp.sec for one in self.arrivals if isinstance(one.header, Header)]

    def add(self, to: list[Any], what: object) -> None:
        with self._changed:
            to.append(what)
            self._changed.notify()

    def until(self, count: int) -> None:
        """Wait until so many packets have been heard of."""
        with self._changed:
            done = lambda: len(self.arrivals) + len(self.reasons) + len(self.skipped) >= count  # noqa: E731
            assert self._changed.wait_for(done, 30.0), (self.stamps, self.reasons, self.skipped)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def decoding_of(heard: Heard, transport: str) -> VideoDecoding:
    return VideoDecoding(
        transport,
        TOPIC,
        take=lambda arrival: heard.add(heard.arrivals, arrival),
        reject=lambda reason: heard.add(heard.reasons, reason),
        skip=lambda reason: heard.add(heard.skipped, reason),
    )


@pytest.fixture
def decoding(heard: Heard) -> Iterator[VideoDecoding]:
    decoding = decoding_of(heard, FFMPEG)
    yield decoding
    decoding.close()


def header(number: int) -> Header:
    made = Header(frame_id="camera")
    made.stamp.sec = number
    return made


def street(count: int = 8, **settings: Any) -> list[bytes]:
    return encoded(shipped_frames(STREET, count), gop=4, **settings)


def put(decoding: VideoDecoding, packets: list[bytes], numbers: Iterator[int] | range, name: str = "h264") -> None:
    for number in numbers:
        decoding.put(ffmpeg_message(packets[number], header(number), number, name))


@pytest.mark.parametrize("file", [STREET, FIXED])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_packet_gives_its_picture(heard: Heard, decoding: VideoDecoding, file: str, name: str) -> None:
    frames = shipped_frames(file, 6)
    put(decoding, encoded(frames, name, gop=4), range(6), name)
    heard.until(6)
    assert heard.stamps == [0, 1, 2, 3, 4, 5]
    assert [one.header for one in heard.arrivals] == [header(number) for number in range(6)]
    for arrival, frame in zip(heard.arrivals, frames, strict=True):
        picture = arrival.decode()
        assert picture.shape == frame.shape
        assert np.abs(picture.astype(np.int16) - frame).mean() < 5.0


@pytest.mark.parametrize(("matrix", "full"), [(1, False), (1, True), (6, True)])
def test_colours_are_those_that_the_packet_names(
    heard: Heard, decoding: VideoDecoding, matrix: int, full: bool
) -> None:
    """x264 does not convert: the same planes have other colours if they are meant otherwise."""
    import av

    frames = shipped_frames(STREET, 1)
    packets = encoded(frames, crf="1", colorspace=matrix, color_range=2 if full else 1)
    put(decoding, packets, range(1))
    heard.until(1)
    planes = av.VideoFrame.from_ndarray(frames[0], "bgr24").reformat(format="yuv420p")
    expected = planes.reformat(
        format="bgr24",
        src_colorspace="ITU709" if matrix == 1 else "ITU601",
        src_color_range=2 if full else 1,
        dst_color_range=2,
    ).to_ndarray()
    assert np.abs(heard.arrivals[0].decode().astype(np.int16) - expected).mean() < 2.0


def test_slices_and_what_encoders_add_are_accepted(heard: Heard, decoding: VideoDecoding) -> None:
    packets = street(4, **{"x264-params": "slices=4:aud=1:nal-hrd=vbr:vbv-maxrate=4000:vbv-bufsize=4000"})
    put(decoding, packets, range(4))
    heard.until(4)
    assert heard.stamps == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("encoding", "expected"),
    [
        ("h264", "h264"),
        ("h264;yuv420p;bgr8;bgr8", "h264"),
        ("hevc;nv12;bgr8;bgr8", "hevc"),
        ("libx264", "h264"),
        ("hevc_nvenc", "hevc"),
        ("h265", "hevc"),
        ("libsvtav1", "av1"),
    ],
)
def test_the_format_is_the_begin_of_the_encoding(encoding: str, expected: str) -> None:
    assert read_ffmpeg(ffmpeg_message(b"x", header(0), 0, encoding)).format == expected


def test_fields_of_a_foxglove_message_become_a_header() -> None:
    packet = read_foxglove(foxglove_message(b"abc", header(7), "h265"))
    assert (packet.header, packet.format, bytes(packet.data)) == (header(7), "hevc", b"abc")


@pytest.mark.parametrize("given", ["vp9", "mjpeg", "", "h264x", "\n"])
def test_another_codec_is_rejected_in_one_sentence(given: str) -> None:
    for read, message in (
        (read_ffmpeg, ffmpeg_message(b"x", header(0), 0, given)),
        (read_foxglove, foxglove_message(b"x", header(0), given)),
    ):
        with pytest.raises(ImageRejected, match=r"^the video's (encoding|format) is '.*': publish h264, h265 or av1$"):
            read(message)


BAD = {
    "an empty packet": (b"", "the video packet is empty"),
    "no video": (b"no video at all", "the h264 packet does not begin with the start code of a video"),
    "another codec": (lambda: street(1, name="hevc")[0], "the h264 packet has units of type"),
    "another profile": (
        lambda: street(1, pix_fmt="yuv422p", profile="high422")[0],
        "the h264 packet has profile 122 where 66 or 77 or 100 is expected",
    ),
    "another resolution": (
        lambda: encoded(shipped_frames(FIXED, 1))[0],
        "the h264 packet has a picture of 768 x 576 pixels, but its message says 640 x 272",
    ),
    "a picture that is too small": (
        lambda: encoded([np.zeros((16, 64, 3), dtype=np.uint8)])[0],
        "the h264 packet has a picture of 64 x 16 pixels where 32 per side",
    ),
    "a bomb": (
        lambda: encoded([np.zeros((4096, 4096, 3), dtype=np.uint8)])[0],
        "the h264 packet has a picture of 4096 x 4096 pixels where 32 per side to 9437184 in all are accepted",
    ),
    "two pictures": (lambda: b"".join(street(2)), "the h264 packet has "),
    "a picture that is cut off": (lambda: street(1)[0][:-200], "the h264 packet cannot be decoded as H.264"),
    "more bytes than its picture can have": (
        lambda: street(1)[0] + bytes(640 * 272 * 2),
        "the h264 packet has .* bytes where a picture of 640 x 272 pixels has at most",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_packet_is_rejected_in_one_sentence_and_the_next_key_frame_is_shown(
    heard: Heard, decoding: VideoDecoding, name: str
) -> None:
    made, said = BAD[name]
    data = made() if callable(made) else made
    packets = street()
    decoding.put(ffmpeg_message(packets[0], header(0), 0, size=(640, 272)))
    decoding.put(ffmpeg_message(data, header(99), 1, size=(640, 272)))
    put(decoding, packets, range(2, 6))
    heard.until(6)
    assert len(heard.reasons) == 1 and heard.stamps == [0, 4, 5]
    assert re.match(said, heard.reasons[0]) and "\n" not in heard.reasons[0] and not heard.reasons[0].endswith(".")
    assert heard.skipped == [f"waits for a key frame of h264 on {TOPIC}"] * 2 or "missing" in heard.skipped[0]
    assert decoding.waits_for == ""


@pytest.mark.parametrize("name", ["h264", "hevc"])
def test_b_frames_are_rejected(heard: Heard, decoding: VideoDecoding, name: str) -> None:
    settings = {"preset": "veryfast", "x264-params": "b-adapt=0"} if name == "h264" else {"preset": "veryfast"}
    packets = encoded(shipped_frames(STREET, 8), name, gop=8, b_frames=2, **settings)
    put(decoding, packets, range(8), name)
    heard.until(8)
    assert heard.arrivals == []
    assert any("B frames" in reason or "reordered pictures" in reason for reason in heard.reasons)


@pytest.mark.parametrize("name", ["h264", "av1"])
@pytest.mark.parametrize("left", [0.2, 0.6, 0.95])
def test_a_truncated_packet_is_rejected(heard: Heard, decoding: VideoDecoding, name: str, left: float) -> None:
    packets = encoded(shipped_frames(STREET, 3), name, gop=8)
    packets[1] = packets[1][: int(left * len(packets[1]))]
    put(decoding, packets, range(3), name)
    heard.until(3)
    assert heard.stamps == [0] and len(heard.reasons) == len(heard.skipped) == 1


def test_a_truncated_packet_of_hevc_harms_nothing_after_the_next_key_frame(
    heard: Heard, decoding: VideoDecoding
) -> None:
    """FFmpeg decodes it to a damaged picture without an error."""
    frames = shipped_frames(STREET, 4)
    packets = encoded(frames, "hevc", gop=2)
    packets[1] = packets[1][: len(packets[1]) // 2]
    put(decoding, packets, range(4), "hevc")
    heard.until(4)
    assert heard.stamps[-2:] == [2, 3]
    assert np.abs(heard.arrivals[-1].decode().astype(np.int16) - frames[3]).mean() < 5.0


def test_a_lost_packet_is_seen_by_its_time_stamp(heard: Heard, decoding: VideoDecoding) -> None:
    packets = encoded(shipped_frames(STREET, 14), "hevc", gop=7)
    put(decoding, packets, [0, 1, 2, 3, 5, 6, 7, 8], "hevc")  # type: ignore[arg-type]
    heard.until(8)
    assert heard.stamps == [0, 1, 2, 3, 7, 8]
    assert heard.skipped == [f"a packet is missing: waits for a key frame of hevc on {TOPIC}"] * 2


def test_a_lost_packet_is_seen_by_the_middleware_and_in_h264(heard: Heard) -> None:
    decoding = decoding_of(heard, FOXGLOVE)
    try:
        packets = street(12)
        for number in (0, 1, 3, 4, 5):  # h264 numbers its frames
            decoding.put(foxglove_message(packets[number], header(number)))
        for number in (6, 7, 8):
            decoding.put(foxglove_message(packets[number], header(number)), follows=number != 6)
        heard.until(8)
    finally:
        decoding.close()
    assert heard.stamps == [0, 1, 4, 5, 8]
    assert heard.reasons == ["the h264 packet is frame 3, but the last one was 1, so one before it was lost"]


def test_another_resolution_or_codec_begins_with_its_key_frame(heard: Heard, decoding: VideoDecoding) -> None:
    put(decoding, street(2), range(2))
    put(decoding, encoded(shipped_frames(FIXED, 2)), range(2))
    put(decoding, street(2, name="av1"), range(2), "av1")
    heard.until(6)
    assert [one.decode().shape for one in heard.arrivals] == [(272, 640, 3)] * 2 + [(576, 768, 3)] * 2 + [
        (272, 640, 3)
    ] * 2


def test_packets_that_come_too_fast_are_dropped_up_to_the_next_key_frame(heard: Heard) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def take(arrival: Arrival) -> None:
        begun.set()
        assert go_on.wait(30.0)
        heard.add(heard.arrivals, arrival)

    decoding = VideoDecoding(
        FFMPEG,
        TOPIC,
        take=take,
        reject=lambda reason: heard.add(heard.reasons, reason),
        skip=lambda reason: heard.add(heard.skipped, reason),
    )
    try:
        packets = street(4)
        put(decoding, packets, range(1))
        assert begun.wait(30.0)
        for number in range(1, MOST_WAITING + 2):
            decoding.put(ffmpeg_message(packets[1], header(number), number))
        assert len(heard.reasons) == MOST_WAITING
        assert "comes faster than this computer decodes it" in heard.reasons[0]
        decoding.put(ffmpeg_message(packets[0], header(1000), MOST_WAITING + 2))
        go_on.set()
        heard.until(MOST_WAITING + 3)
    finally:
        go_on.set()
        decoding.close()
    assert heard.stamps == [0, 1000] and len(heard.skipped) == 1


@pytest.mark.parametrize(
    ("stamps", "gaps"),
    [
        ([0, 1, 2, 3, 5, 6, 7], [5]),
        ([0, 1, 2, 4, 5, 7], [4, 7]),
        ([40, 80, 120, 200, 240], [200]),
        ([0, 33, 67, 100, 167, 200], []),
        ([0, 2, 3, 5, 6], []),
        ([5, 6, 7, 0, 1, 2, 3], []),
        ([0, 0, 0, 0], []),
    ],
)
def test_time_stamps_show_gaps_if_they_are_even(stamps: list[int], gaps: list[int]) -> None:
    seen = PtsGaps()
    assert [stamp for stamp in stamps if not seen.follows(stamp)] == gaps


def test_numbers_of_messages_show_gaps() -> None:
    seen = PublicationGaps()
    follows = []
    for number in (4, 5, 7, 8, None, 9, 1, 2):
        seen.count(number)
        follows.append(seen.take())
    assert follows == [True, True, False, True, True, True, False, True]


@pytest.mark.parametrize(
    ("blocked", "transport", "said"),
    [
        ("av", "ffmpeg", "image_transport ffmpeg needs PyAV, which is not installed: install it with `pip install av`"),
        (
            "foxglove_msgs",
            "foxglove",
            "image_transport foxglove needs foxglove_msgs, which is not installed: "
            "apt install ros-lyrical-foxglove-msgs",
        ),
    ],
)
def test_what_is_not_installed_is_named_in_one_sentence(blocked: str, transport: str, said: str) -> None:
    program = (
        f"import sys\nsys.modules[{blocked!r}] = None\n"
        "from neurosurgeon_ros.camera.transports import why_unusable\n"
        f"print(why_unusable({transport!r})); assert not why_unusable('raw')"
    )
    environment = {**os.environ, "ROS_DISTRO": "lyrical"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == said
