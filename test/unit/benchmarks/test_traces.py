# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Recorded links that the testbed replays, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.main import main
from testbed.scenario import recorded
from testbed.traces import Trace, TraceProblem, read_traces


def written(folder: Path, text: str, name: str = "drive.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_recording_is_cut_or_repeated(tmp_path: Path) -> None:
    path = written(tmp_path, "mbps\n1\n0\n3\n")
    assert read_traces([path], 0.2) == [Trace("drive", (1.0, 0.0))]
    assert read_traces([path], 0.5) == [Trace("drive", (1.0, 0.0, 3.0, 1.0, 0.0))]


def test_a_recording_has_a_usual_rate_and_a_queue() -> None:
    trace = Trace("drive", (2.0, 0.0, 4.0, 0.0))
    assert (trace.seconds, trace.mean_mbps, trace.usual_mbps, trace.down_share) == (0.4, 1.5, 3.0, 0.5)
    assert trace.queue_bytes == 0.4 * 3e6 / 8
    assert Trace("slow", (0.12,)).queue_bytes == 32_000, "one image fits"


def test_a_run_replays_a_recording_at_its_own_speed() -> None:
    trace = Trace("drive", (2.0, 0.0, 4.0, 0.0) * 10)
    scenario = recorded(trace, camera_hz=5.0)
    assert (scenario.name, scenario.frames, scenario.trace) == ("drive", 20, trace)
    assert [step.uplink_mbps for step in scenario.steps] == [3.0], "the usual rate, before it begins"


BAD = {
    "no rows": ("mbps\n", "has no rows below its header"),
    "negative": ("mbps\n1\n-2\n", "line 3, column mbps is '-2', but must be a finite number of at least 0"),
    "missing": ("mbps,cell\n1,a\n,b\n", "line 3, column mbps is ''"),
    "no number": ("mbps\nfast\n", "line 2, column mbps is 'fast'"),
    "all zeros": ("mbps\n0\n0\n", "holds no rate above 0 Mbit/s"),
    "times go back": ("seconds,mbps\n1,1\n0.5,1\n", "must be above the 1 before it"),
    "an outage as long as the run": ("mbps\n" + 20 * "0\n" + "1\n", "in its first 2 s: give a longer --link-seconds"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_file_that_is_no_recording_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    path, out = written(tmp_path, text), tmp_path / "out"
    assert main(["--link-trace", str(path), "--link-seconds", "2", "--out", str(out)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("bench: ")
    assert message in said.err
    assert not out.exists()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceProblem, match=r"none\.csv cannot be read \(No such file or directory\): give a recorded"):
        read_traces([tmp_path / "none.csv"], 1.0)
    with pytest.raises(TraceProblem, match=r"cannot be read \(Is a directory\)"):
        read_traces([tmp_path], 1.0)


def test_two_recordings_need_two_names(tmp_path: Path) -> None:
    paths = [written(tmp_path / folder, "mbps\n1\n") for folder in ("a", "b")]
    with pytest.raises(TraceProblem, match="two recorded links have the name 'drive'"):
        read_traces(paths, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--check"], "--check needs a recorded link: give --link-trace FILE"),
        (["--link-trace", "x.csv", "--link", "emulated"], "--link-trace needs network namespaces"),
        (["--link-trace", "x.csv", "--link-seconds", "0"], "0 is not between 1 and 86400"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
