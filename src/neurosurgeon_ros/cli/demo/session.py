# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A run of the demo, from its first process to its last file."""

from __future__ import annotations

import importlib
import os
import queue
import socket
import sys
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from neurosurgeon_ros.cli.demo.annotation import AnnotatedVideo
from neurosurgeon_ros.cli.demo.children import Child, ask_to_end, start_node, wait_for_end
from neurosurgeon_ros.cli.demo.display import Display, RunningMean, make_display
from neurosurgeon_ros.cli.demo.domain import private_domain
from neurosurgeon_ros.cli.demo.interrupt import Interrupt, Interrupted
from neurosurgeon_ros.cli.demo.matching import FrameMatcher
from neurosurgeon_ros.cli.demo.options import DemoOptions
from neurosurgeon_ros.cli.demo.results import make_folders, write_results
from neurosurgeon_ros.cli.demo.viewing import reserved
from neurosurgeon_ros.cli.view.history import History
from neurosurgeon_ros.diagnostics.monitor import Monitor
from neurosurgeon_ros.diagnostics.records import (
    Seen,
    SeenDecision,
    SeenDetections,
    SeenDiagnostics,
    SeenEdge,
    SeenRobot,
)

if TYPE_CHECKING:
    from neurosurgeon_ros.cli.view.server import View  # brings Bokeh

EDGE_NAMESPACE = "/neurosurgeon"

#: The emulated robot uses one core, so that the other cores are free for the edge.
EMULATED_THREADS = 1

#: Maximum seconds until a node is ready.
START_S = 120.0

#: Seconds without a decision after which the run is given up.
STALL_S = 30.0

#: Maximum seconds for the last frames after the camera has stopped: for all of them, and from one to the next.
LAST_FRAMES_S, SILENCE_S = 15.0, 3.0

#: Maximum seconds that one check for new messages takes.
LOOK_S = 0.1


class DemoError(Exception):
    """The run cannot continue; the message is one sentence."""


def run_demo(options: DemoOptions) -> int:
    """
    Run the demo.

    :returns: exit code: 0 if the run completed or was interrupted, 1 if it failed.
    :raises UsageError: if the results cannot be written to their folder, or the view cannot be shown.
    """
    with reserved(options.view_port) as listening, private_domain() as environment, Interrupt() as interrupt:
        logs = make_folders(options.out)
        os.environ.update(environment)
        os.environ["ROS_LOG_DIR"] = str(logs / "ros")
        run = DemoRun(options, logs, environment, interrupt)
        try:
            if listening is not None:
                run.serve_view(listening)
            return run.run()
        finally:
            run.close()


class DemoRun:
    """One run. :meth:`close` ends everything that it starts."""

    def __init__(self, options: DemoOptions, logs: Path, environment: Mapping[str, str], interrupt: Interrupt) -> None:
        self._options = options
        self._logs = logs
        self._environment = {**environment, "ROS_LOG_DIR": str(logs / "ros")}
        self._interrupt = interrupt
        self._children: dict[str, Child] = {}
        self._lost: set[str] = set()
        self._monitor = Monitor(edge_namespace=EDGE_NAMESPACE, image_transport=options.image_transport)
        self._matcher = FrameMatcher()
        self._decisions: list[SeenDecision] = []
        self._objects: Counter[str] = Counter()
        self._ready: set[str] = set()
        self._partition_points: int | None = None
        self._mean = RunningMean()
        self._annotated = AnnotatedVideo(options.out / "annotated.mp4")
        title = f"{options.model}, {options.policy}, {options.link}"
        self._display: Display = make_display(options.frames, title)
        self._history = History(title, options.frames)
        self._view: View | None = None

    def serve_view(self, listening: socket.socket) -> None:
        """Serve the page that shows the run, until :meth:`close`."""
        from neurosurgeon_ros.cli.view.server import View

        self._view = View(self._history, listening=listening, log=self._logs / "view.log")
        self._display.say(f"the run can be seen at {self._view.url}")

    def run(self) -> int:
        """Start everything, follow the run to its end, write the results, and return the exit code."""
        problem = ""
        try:
            self._start_nodes()
            self._follow()
            self._await_last_frames()
        except Interrupted:
            self._display.say("interrupted: ending")
        except DemoError as error:
            problem = str(error)
        # Write the results while the nodes end.
        until_s = ask_to_end(list(self._children.values()))
        self._take_all()
        self._history.end()
        self._display.close()
        self._annotated.close()
        write_results(
            self._options,
            self._decisions,
            self._matcher,
            self._objects,
            rmw=self._monitor.rmw,
            partition_points=self._partition_points,
        )
        wait_for_end(list(self._children.values()), until_s)
        if problem:
            print(f"neurosurgeon demo: {problem}", file=sys.stderr)
            return 1
        return 0

    def close(self) -> None:
        """End everything that is still running, immediately."""
        wait_for_end(list(self._children.values()), time.monotonic())
        self._display.close()
        self._annotated.close()
        if self._view is not None:
            self._view.close()
        self._monitor.close()

    # Starting.

    def _start_nodes(self) -> None:
        """Start each node when the previous one is ready, so that the robot measures its delays on an idle machine."""
        options = self._options
        model = {
            "model": options.model,
            "random_weights": options.random_weights,
            **{name: str(file) for name in ("weights", "labels") if (file := getattr(options, name))},
        }
        self._display.say(f"ROS_DOMAIN_ID={os.environ['ROS_DOMAIN_ID']}, logs in {self._logs}")
        self._start("edge_node", model)
        # matplotlib loads while the edge loads its network, so that the end does not wait for it.
        importlib.import_module("neurosurgeon_ros.cli.demo.timeline")
        self._await("edge_node")
        uplink = {}
        if options.uplink_mbps is not None:
            self._start("link_node", {"uplink_mbps": options.uplink_mbps, "edge_namespace": EDGE_NAMESPACE})
            uplink = {f"{EDGE_NAMESPACE}/partial_inference": f"{EDGE_NAMESPACE}/uplink"}
        self._start(
            "robot_node",
            {
                **model,
                "policy": options.policy,
                "image_transport": options.image_transport,
                "robot_speed": options.robot_speed,
                "threads": EMULATED_THREADS if options.robot_speed < 1.0 else 0,
                "seed": options.seed,
                **({"codecs": list(options.codecs)} if options.codecs else {}),
            },
            uplink,
        )
        self._await("robot_node")
        # Wait for the robot and the monitor, so that no image is missed by either.
        self._start(
            "video_node",
            {
                "video": options.video,
                "rate_hz": options.rate_hz,
                "image_transport": options.image_transport,
                "wait_for_subscribers": 2,
            },
        )

    def _start(self, name: str, parameters: Mapping[str, object], remappings: Mapping[str, str] | None = None) -> None:
        self._interrupt.check()
        try:
            child = start_node(name, parameters, logs=self._logs, environment=self._environment, remappings=remappings)
        except OSError as problem:
            raise DemoError(f"{name} cannot be started: {problem}") from None
        self._children[name] = child
        self._display.say(f"{name} starts (process {child.process.pid})")

    def _await(self, name: str) -> None:
        """Wait until a node has published on its topic."""
        end_s = time.monotonic() + START_S
        while name not in self._ready:
            if time.monotonic() > end_s:
                raise DemoError(f"{name} was not ready after {START_S:g} s (see {self._children[name].log})")
            self._look()

    # Following.

    def _follow(self) -> None:
        """Process messages until enough frames were accepted."""
        decided, since_s = 0, time.monotonic()
        while len(self._decisions) < self._options.frames:
            self._look()
            if len(self._decisions) > decided:
                decided, since_s = len(self._decisions), time.monotonic()
            if time.monotonic() - since_s > STALL_S:
                raise DemoError(f"no frame was decided for {STALL_S:g} s (see the logs in {self._logs})")

    def _await_last_frames(self) -> None:
        """Stop the camera, and wait for the detections and decisions of the frames in flight."""
        video = self._children.pop("video_node")
        wait_for_end([video], ask_to_end([video]))

        def complete() -> bool:
            last = self._decisions[-1].header if self._decisions else None
            return self._matcher.waiting == 0 and last == self._matcher.last_image

        end_s, silent_s = time.monotonic() + LAST_FRAMES_S, time.monotonic() + SILENCE_S
        # The robot may not have received the last image. Then nothing more arrives.
        while time.monotonic() < min(end_s, silent_s) and not complete():
            if self._look():
                silent_s = time.monotonic() + SILENCE_S

    def _look(self) -> bool:
        """
        Process the messages since the last call; wait a moment if there are none.

        :returns: whether a frame's detections or decision was among them.
        """
        before = (self._matcher.published, len(self._decisions))
        self._interrupt.check()
        self._check_children()
        try:
            self._take(self._monitor.seen.get(timeout=LOOK_S))
        except queue.Empty:
            return False
        self._take_all()
        return (self._matcher.published, len(self._decisions)) != before

    def _take_all(self) -> None:
        while True:
            try:
                self._take(self._monitor.seen.get_nowait())
            except queue.Empty:
                return

    def _check_children(self) -> None:
        """Continue without the edge, as a robot does. Raise DemoError if the robot or the camera has ended."""
        for name, child in self._children.items():
            if not child.ended or name in self._lost:
                continue
            self._lost.add(name)
            if name in ("edge_node", "link_node") and "robot_node" in self._ready:
                self._display.say(f"{child.end_in_words}; the robot works on without it")
            else:
                raise DemoError(child.end_in_words)

    def _take(self, seen: Seen) -> None:
        if isinstance(seen, SeenEdge):
            self._note_ready("edge_node")
        elif isinstance(seen, SeenRobot):
            self._note_ready("robot_node")
        elif isinstance(seen, SeenDiagnostics):
            if "partition points" in seen.values:
                self._partition_points = int(seen.values["partition points"])
        elif isinstance(seen, SeenDecision):
            self._decisions.append(seen)
            self._history.add(seen)
        elif isinstance(seen, SeenDetections):
            self._objects.update(seen.names)
        for frame in self._matcher.take(seen):
            self._display.show(self._mean.row(frame))
            try:
                drawn = self._annotated.add(frame)
            except OSError as problem:
                raise DemoError(str(problem)) from None
            if self._view is not None and drawn is not None:
                self._view.show(drawn)

    def _note_ready(self, name: str) -> None:
        if name in self._children and name not in self._ready:
            self._ready.add(name)
            self._display.say(f"{name} is ready")
