# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Reports: the content of the page, its rendering in a browser, and files that are not recordings."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import CHROMIUM, FLAGS
from mcap.writer import Writer
from rclpy.serialization import serialize_message

from neurosurgeon_ros.cli.demo.summary import write_decisions
from neurosurgeon_ros.cli.main import main
from neurosurgeon_ros.cli.report.figures import dropped, offload_error, spans, table
from neurosurgeon_ros.diagnostics.records import SeenDecision
from neurosurgeon_ros.msg import PartitionDecision
from neurosurgeon_ros.recording.schemas import schema_text

from .seen import decision, on_device

# All messages go to standard error, and pages run for five seconds of virtual time.
SHOWING = ["--enable-logging=stderr", "--virtual-time-budget=5000"]
EVIL = "<script>alert('$1 & $2')</script>"


def a_run() -> list[SeenDecision]:
    """Return a run with each outcome: 1 to 5 by the edge, 6 and 7 fallbacks, 8 to 10 without an edge, 11 by choice."""
    run = [decision(sequence) for sequence in range(1, 6)]
    run += [on_device(sequence, outcome="fallback", arm=EVIL, reason=EVIL) for sequence in (6, 7)]
    run += [on_device(sequence, reason="no edge is there") for sequence in (8, 9, 10)]
    return [*run, on_device(11)]


def write_recording(path: Path, number: int) -> None:
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=1024)
        writer.start(profile="ros2", library="test")
        name = "neurosurgeon_ros/msg/PartitionDecision"
        schema = writer.register_schema(name, "ros2msg", schema_text(name).encode())
        channel = writer.register_channel("/robot_node/decision", "cdr", schema)
        for sequence in range(1, number + 1):
            message = PartitionDecision(sequence=sequence, arm="pool4/fp32", total_delay=0.1)
            writer.add_message(channel, sequence, serialize_message(message), sequence)
        writer.finish()


def test_spans_and_drops_are_counted() -> None:
    run = a_run()
    assert [(span.first, span.last, span.kind) for span in spans(run)] == [(6, 7, "fallback"), (8, 10, "no edge")]
    assert spans(run)[1].seconds == pytest.approx(0.08)
    assert dropped(run).tolist() == [0] + [1] * 10
    # A restarted robot counts from 0.
    assert dropped([decision(5), decision(3, session=8)]).tolist() == [0, 3]
    assert offload_error(decision(1, offload_delay=0.09)) == pytest.approx(0.02)
    figures = dict(table(run))
    assert figures["answered by the edge"] == "5 (45%)"
    assert figures["dropped while busy"] == "10"
    assert figures["median delay"] == "200.0 ms"


def test_a_page_of_a_table_has_its_parts(tmp_path: Path) -> None:
    source, page = tmp_path / "decisions.csv", tmp_path / "report.html"
    write_decisions(a_run(), source)
    assert main(["report", str(source), "--output", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    sections = re.findall(r'<section id="(\w+)">', text)
    assert sections == ["figures", "delays", "points", "predictions", "losses", "outages"]
    assert text.count("data:image/svg+xml;base64,") == 8
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decisions.csv", "report.html"]


@dataclass(frozen=True)
class Shown:
    """
    A page as rendered by a browser.

    :param client: width of the window in CSS pixels; `scroll` is the width of the content
    :param images: widths of the images; 0 if an image could not be shown
    :param loaded: addresses that were requested
    :param complained: whether there was any message on the console
    """

    client: int
    scroll: int
    images: list[int]
    loaded: list[str]
    complained: bool


def show(page: Path, width: int) -> Shown:
    """Render a page in a frame of this width."""
    # A window's minimum width is larger than a phone's; a frame has no minimum. The probe is a page of this test.
    probe = page.with_name("probe.html")
    probe.write_text(
        f'<iframe id="f" src="{page.name}" style="width:{width}px;height:900px;border:0"></iframe><script>'
        "onload = () => { const d = f.contentDocument, e = d.documentElement; document.title = JSON.stringify("
        "[e.clientWidth, e.scrollWidth, [...d.images].map(i => i.naturalWidth), "
        "f.contentWindow.performance.getEntriesByType('resource').map(e => e.name)]); }</script>"
    )
    done = subprocess.run(
        [
            str(CHROMIUM),
            *FLAGS,
            *SHOWING,
            # The browser itself must not make network requests either.
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--allow-file-access-from-files",
            "--window-size=1400,1000",
            f"--user-data-dir={page.with_name('profile')}",
            "--dump-dom",
            probe.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    found = re.search(r"<title>(.*?)</title>", done.stdout)
    assert found is not None, done.stdout[:2000]
    return Shown(*json.loads(found[1]), complained="CONSOLE" in done.stderr)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_a_request(tmp_path: Path, width: int) -> None:
    source, page = tmp_path / "decisions.csv", tmp_path / "report.html"
    write_decisions(a_run(), source)
    assert main(["report", str(source), "--output", str(page)]) == 0
    shown = show(page, width)
    # Nothing is wider than the window, except for a scroll bar.
    assert 0.9 * width <= shown.client <= width
    assert shown.scroll <= shown.client
    assert len(shown.images) == 4
    assert min(shown.images) > 0
    assert len({image > 600 for image in shown.images}) == 1
    assert (shown.images[0] > 600) == (width == 1280)
    assert not shown.complained
    assert [url for url in shown.loaded if not url.startswith("data:")] == []
    assert re.search(r"https?:", page.read_text(encoding="utf-8")) is None


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_what_is_wrong_with_a_page_does_not_go_unseen(tmp_path: Path) -> None:
    source, page = tmp_path / "decisions.csv", tmp_path / "report.html"
    write_decisions(a_run(), source)
    assert main(["report", str(source), "--output", str(page)]) == 0
    sound = page.read_text(encoding="utf-8")

    # The page's own policy forbids scripts, and the browser reports that there was one.
    page.write_text(sound.replace("</body>", "<script>missing.field = 1</script></body>"), encoding="utf-8")
    assert show(page, 1280).complained
    # A script that may run and fails, a picture from another host, and content that is too wide.
    bad = '<img src="http://127.0.0.1:9/x.png"><script>missing.field = 1</script><p style="width: 3000px">wide</p>'
    page.write_text(re.sub(r"<meta http-equiv[^>]*>", "", sound).replace("</body>", f"{bad}</body>"), encoding="utf-8")
    shown = show(page, 1280)
    assert shown.complained
    assert shown.images[-1] == 0
    assert "http://127.0.0.1:9/x.png" in shown.loaded
    assert shown.scroll > shown.client


@pytest.mark.parametrize("kept", [1.0, 0.6])
def test_a_recording_is_read_also_when_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: float) -> None:
    source, page = tmp_path / "run.mcap", tmp_path / "report.html"
    write_recording(source, 200)
    whole = source.read_bytes()
    source.write_bytes(whole[: int(kept * len(whole))])
    assert main(["report", str(source), "--output", str(page)]) == 0
    frames = int(Counter(re.findall(r": (\d+) frames", capsys.readouterr().out)).most_common(1)[0][0])
    assert frames == 200 if kept == 1.0 else 0 < frames < 200
    assert page.is_file()


def test_of_several_robots_one_is_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, page = tmp_path / "decisions.csv", tmp_path / "report.html"
    run = [decision(sequence, robot_id=f"r{sequence % 3 and 1}_robot_node") for sequence in range(1, 10)]
    write_decisions(run, source)
    assert main(["report", str(source), "--output", str(page)]) == 2
    assert "choose one by --robot (r0_robot_node, r1_robot_node)" in capsys.readouterr().err
    assert main(["report", str(source), "--robot", "r7", "--output", str(page)]) == 2
    assert "no decisions of robot r7: it has those of r0_robot_node, r1_robot_node" in capsys.readouterr().err
    assert main(["report", str(source), "--robot=//", "--output", str(page)]) == 2
    assert not page.exists()
    for name, frames in (("/r0/robot_node", 3), ("r1_robot_node", 6)):
        assert main(["report", str(source), "--robot", name, "--output", str(page)]) == 0
        assert f"{frames} frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n\xff\xfe", b"a,b\n1,2\n", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + b"\xff" * 99]
)
def test_bad_files_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes) -> None:
    source, page = tmp_path / "decisions.csv", tmp_path / "report.html"
    source.write_bytes(content)
    assert main(["report", str(source), "--output", str(page)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(source) in said
    assert [path.name for path in tmp_path.iterdir()] == ["decisions.csv"]


def test_bad_names_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "decisions.csv"
    assert main(["report", str(source)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    write_decisions(a_run(), source)
    before = source.read_bytes()
    for output in (tmp_path, source, tmp_path / "none" / "report.html"):
        assert main(["report", str(source), "--output", str(output)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert source.read_bytes() == before
