# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The page of a run: its data, its rendering in a browser, and who may look at it."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import math
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import MISSING, browsing
from numpy.typing import NDArray
from support import wait_for

from neurosurgeon_ros.cli.arguments import UsageError
from neurosurgeon_ros.cli.demo.viewing import ADDRESS, reserved
from neurosurgeon_ros.cli.view.charts import Charts, rows
from neurosurgeon_ros.cli.view.history import RECENT, SHOWN, History
from neurosurgeon_ros.cli.view.page import tiles
from neurosurgeon_ros.cli.view.pictures import MAX_WIDTH, Pictures
from neurosurgeon_ros.cli.view.server import View

from .seen import PERIOD_NS, decision, on_device

TIMEOUT_S = 60.0
EVIL = "<script>alert('$1 {{ 2 }}')</script>"


def picture(number: int, width: int = 64) -> NDArray[np.uint8]:
    """Return a picture whose grey identifies it."""
    return np.full((48, width, 3), 20 * (number % 10), dtype=np.uint8)


def grey(jpeg: bytes) -> int:
    return round(float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).mean()) / 20.0)


class Run:
    """A run without nodes, whose frames the test produces."""

    def __init__(self) -> None:
        self.history = History(f"a run {EVIL}", 300)
        self.number = 0
        self.view: View | None = None

    def frame(self) -> None:
        """Add a frame. The edge answers most of them; every tenth is a fallback."""
        self.number += 1
        self.history.add(
            on_device(self.number, outcome="fallback", arm=EVIL, reason=EVIL)
            if self.number % 10 == 0
            else decision(self.number, forced=self.number % 7 == 0)
        )
        if self.view is not None:
            self.view.show(picture(self.number))


@pytest.fixture
def run() -> Run:
    return Run()


@pytest.fixture
def view(run: Run, tmp_path: Path) -> Iterator[View]:
    with reserved(0) as listening:
        assert listening is not None
        run.view = view = View(run.history, listening=listening, log=tmp_path / "view.log")
        yield view
        view.close()


def ask(view: View, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(view.url.split("/")[2], timeout=TIMEOUT_S)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def read_jpeg(answer: http.client.HTTPResponse) -> bytes:
    while not (line := answer.readline()).startswith(b"Content-Length"):
        assert line
    answer.readline()
    return answer.read(int(line.split(b":")[1]))


def test_rows_hold_what_was_measured_and_nothing_else() -> None:
    history = History("", 300)
    for number in range(1, 4):
        history.add(decision(number))
    history.add(on_device(4))
    history.add(on_device(5, outcome="fallback", offload_delay=0.3, sent_bytes=1000))
    shown = rows(history.after(2))
    assert shown["number"] == [3, 4, 5]
    assert shown["uplink"][0] == pytest.approx(8.0 * 346112 / 0.05 / 1e6)
    assert shown["offload"][0] == shown["predicted"][0] == pytest.approx(70.0)
    assert all(math.isnan(shown[name][index]) for name in ("uplink", "offload", "predicted") for index in (1, 2))
    # Nothing was measured between sending and giving up. The chart shows that time as such.
    assert [shown[f"stage_{index}"][2] for index in (2, 3, 4)] == pytest.approx([0.0, 0.0, 300.0])
    assert shown["mean"] == pytest.approx([100.0, 125.0, 140.0])
    assert {len(column) for column in shown.values()} == {3}


def test_history_keeps_the_last_frames_and_the_figures_of_all() -> None:
    history = History("", 300)
    for number in range(1, SHOWN + 11):
        history.add(decision(number, total_delay=1.0 if number <= 10 else 0.1))
    standing = history.standing
    assert [point.number for point in history.after(0)] == list(range(11, SHOWN + 11))
    assert history.after(SHOWN + 10) == []
    assert standing.mean_s == pytest.approx((10 * 1.0 + SHOWN * 0.1) / (SHOWN + 10))
    assert standing.last is not None
    assert standing.last.mean_s == pytest.approx(0.1)
    assert standing.rate_hz == pytest.approx(1e9 / PERIOD_NS)
    assert standing.outcomes == (("edge", SHOWN + 10),)
    assert RECENT < SHOWN


def test_charts_follow_the_last_frames() -> None:
    history, charts = History("", 300), Charts()
    for number in range(1, SHOWN + 21):
        history.add(decision(number, arm="input/uint8", partition_point=0) if number == 5 else decision(number))
        charts.show(history.after(charts.last))
        if number == 6:
            assert charts.points.y_range.factors == ["input/uint8", "pool4/fp32"]
    assert charts.last == SHOWN + 20
    assert charts.points.y_range.factors == ["pool4/fp32"]
    assert charts.delay.y_range.end > 100.0


def test_what_comes_from_elsewhere_is_escaped(run: Run) -> None:
    for _ in range(10):
        run.frame()
    assert "<script" not in tiles(run.history.standing)


def test_a_picture_that_nobody_takes_is_left_out() -> None:
    async def look() -> tuple[list[int], int]:
        pictures = Pictures()
        # Nobody looks at the page, so not even this picture is kept.
        pictures.put(picture(1))
        frames = pictures.frames()
        waiting = asyncio.ensure_future(anext(frames))
        while not pictures.lookers:
            await asyncio.sleep(0)
        seen = []
        for number in (2, 3, 4):
            pictures.put(picture(number))
        seen.append(grey(await waiting))
        for number in (5, 6, 7):
            pictures.put(picture(number, width=2 * MAX_WIDTH))
        while pictures.newest < 6:
            await asyncio.sleep(0)
        jpeg = await anext(frames)
        seen.append(grey(jpeg))
        assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (24, MAX_WIDTH, 3)
        await frames.aclose()
        assert pictures.lookers == 0
        return seen, pictures.encoded

    seen, encoded = asyncio.run(look())
    assert seen[0] in (2, 3, 4)
    assert seen[1] == 7
    assert encoded == 2


def test_pictures_come_one_after_the_other(run: Run, view: View) -> None:
    assert ask(view, "/").status == 200
    feeder = Feeder(run)
    try:
        answers = [ask(view, "/video") for _ in range(2)]
        for answer in answers:
            assert answer.status == 200
            assert len({grey(read_jpeg(answer)) for _ in range(3)}) > 1
            answer.close()
    finally:
        feeder.end()


def test_the_end_of_the_run_ends_whoever_looks(run: Run, view: View) -> None:
    answer = ask(view, "/video")
    view.close()
    view.close()
    assert b"jpeg" not in answer.read()
    assert run.history.standing.ended
    run.frame()
    with pytest.raises(OSError, match="refused"), socket.create_connection(view.url.split("/")[2].split(":")):
        pass


def test_only_this_computers_names_are_served(run: Run, view: View) -> None:
    port = view.url.split(":")[2].strip("/")
    assert view.url.startswith(f"http://{ADDRESS}:")
    assert ask(view, "/video", Host=f"localhost:{port}").status == 200
    assert ask(view, "/video", Host=f"example.org:{port}").status == 403
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    upgrade["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    assert ask(view, "/ws", Origin="http://example.org", **upgrade).status == 403


def test_a_port_that_is_taken_is_one_sentence() -> None:
    with socket.create_server((ADDRESS, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} .* cannot be had .*: give another"), reserved(port):
            pass


def test_without_bokeh_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(UsageError, match="pip install bokeh"), reserved(0):
        pass
    with reserved(None) as nothing:
        assert nothing is None


class Feeder:
    """Adds frames in a thread until it is ended."""

    def __init__(self, run: Run) -> None:
        self._ending = threading.Event()
        self._run = run
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def end(self) -> None:
        self._ending.set()
        self._thread.join()

    def _feed(self) -> None:
        while not self._ending.wait(0.05):
            self._run.frame()


POINTS = "const d = window.Bokeh && Bokeh.documents[0]; return d ? d.get_model_by_name('frames').data.number.length : 0"
PIXEL = (
    "const i = document.querySelector('#video img'), c = document.createElement('canvas'); c.width = c.height = 1;"
    "if (!i || !i.naturalWidth) return -1; const g = c.getContext('2d'); g.drawImage(i, 0, 0, 1, 1);"
    "return g.getImageData(0, 0, 1, 1).data[0]"
)
WIDTHS = "const e = document.documentElement; return [e.clientWidth, e.scrollWidth]"
DRAWN = "return [...Bokeh.index.roots].filter(v => v.canvas_view && v.bbox.width > 200 && v.bbox.height > 100).length"
TEXT = "const d = window.Bokeh && Bokeh.documents[0]; return d ? d.get_model_by_name('tiles').text : ''"


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
@pytest.mark.parametrize(("width", "phone"), [(1300, False), (390, True)])
def test_a_browser_follows_the_run(run: Run, view: View, tmp_path: Path, width: int, phone: bool) -> None:
    with contextlib.ExitStack() as stack:
        browser = stack.enter_context(browsing(tmp_path, width=width, height=900, phone=phone))
        browser.open(view.url)
        wait_for(lambda: "waiting" in browser.run(TEXT), TIMEOUT_S, "the page before the first frame")
        stack.callback(Feeder(run).end)
        wait_for(lambda: browser.run(POINTS) > 5, TIMEOUT_S, "points in the charts")
        before = browser.run(POINTS)
        wait_for(lambda: browser.run(POINTS) > before, TIMEOUT_S, "more points")
        greys: set[int] = set()
        wait_for(lambda: greys.add(browser.run(PIXEL)) or len(greys - {-1}) > 2, TIMEOUT_S, "pictures that change")
        wait_for(lambda: browser.run(DRAWN) == 4, TIMEOUT_S, "four charts")
        client, scroll = browser.run(WIDTHS)
        assert scroll <= client <= width
        view.close()
        wait_for(lambda: "ended" in browser.run(TEXT), TIMEOUT_S, "word of the end")
        assert browser.said() == []
        place = view.url.split("/")[2]
        asked_for = browser.asked_for()
        assert f"ws://{place}/ws" in {url.partition("?")[0] for url in asked_for}
        assert {url for url in asked_for if url.split("/")[2:3] != [place] and not url.startswith("data:")} == set()


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_page_that_complains_is_heard(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    page.write_text("<title>t</title><link rel='icon' href='data:,'><script>missing.field = 1</script>")
    with browsing(tmp_path, width=800, height=600) as browser:
        browser.open(page.as_uri())
        (said,) = browser.said()
        assert "missing is not defined" in said
        assert browser.asked_for() >= {page.as_uri()}
