# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The true front-end and offloading delays of every arm at every frame, with which policies are judged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurosurgeon_ros.learning.interface import BoolArray, FloatArray
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.processes import ConstantLoad, Link, Load
from neurosurgeon_ros.simulation.table import NetworkTable
from neurosurgeon_ros.simulation.uplink import Uplink, UplinkByFrame, UplinkByTime

#: Seconds per layer of the `linear` truth, on the robot and at the edge.
ROBOT_LAYER_S = 0.4e-3
EDGE_LAYER_S = 0.1e-3
#: Default of the seconds between two camera images.
PERIOD_S = 0.1
#: A message with more bytes than this is fragmented, and needs more link time per byte.
FRAGMENT_BYTES = 64_000


@dataclass(frozen=True, slots=True)
class Noise:
    """
    Noise of an observed duration, as a factor on the true duration.

    :param sd: standard deviation of the factor, which is Gaussian around 1; with `log_normal`, of its logarithm.
    :param log_normal: whether the factor is log-normal.
    :param outliers: share of the observations that are outliers.
    :param outlier_factor: additional factor on the duration of outliers.
    """

    sd: float = 0.05
    log_normal: bool = False
    outliers: float = 0.0
    outlier_factor: float = 3.0

    def sample(self, size: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
        """Draw factors, each above 0."""
        normal = self.sd * rng.standard_normal(size)
        factors = np.exp(normal) if self.log_normal else np.maximum(0.05, 1.0 + normal)
        slow: FloatArray = np.where(rng.random(size) < self.outliers, self.outlier_factor, 1.0) * factors
        return slow


GAUSS = Noise()
HEAVY = Noise(sd=0.15, log_normal=True, outliers=0.1)


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """
    The truth of one run: T frames and n arms, the last one `on_device`.

    Without `coding`, each partition point is one arm with fp32 tensors. With `coding`, it may have several arms with
    different codecs.

    :param table: the arms of the network, with psi as the bytes that each arm sends.
    :param robot_s: seconds of each arm on the robot before its request; the robot knows them. Shape (n,).
    :param compute_s: back-end delay of each arm at an idle edge, in seconds. Shape (n,).
    :param transmission_factor: link time per byte of each arm, relative to that of a small message. Shape (n,).
    :param round_trip_s: seconds that an empty message takes to the edge and back.
    :param mbps: rates of the link in Mbit/s, at least 0 and not all 0: one for each frame, shape (T,), or one for each
        `row_s` seconds if `row_s` is given.
    :param slowdown: factor on the edge's compute at each frame, shape (T,).
    :param queue_s: seconds in the edge's queue at each frame, shape (T,).
    :param key_frames: whether each frame is a key frame, shape (T,).
    :param noise: noise of the observed durations.
    :param seed: seed of the noise.
    :param period_s: seconds between two camera images.
    :param throttle: factor on the robot's stages at each frame, which the robot does not know in advance; None for 1.
    :param deadline_s: seconds after which the robot finishes a frame itself from the tensors that it still holds.
        Infinity means no deadline in the judged experiments. With the robot's own rules, it means that the robot
        derives the deadline.
    :param row_s: seconds for which each rate of `mbps` holds; None: a rate holds for one frame, however long it takes.
    :param after_s: seconds for which the robot is busy with learning and publishing after a frame's result. Only the
        robot's own rules use it.
    :param coding: times, fidelity and bytes of the arms' codecs; None: all tensors are sent as they are in memory.
    """

    table: NetworkTable
    robot_s: FloatArray
    compute_s: FloatArray
    transmission_factor: FloatArray
    round_trip_s: float
    mbps: FloatArray
    slowdown: FloatArray
    queue_s: FloatArray
    key_frames: BoolArray
    noise: Noise
    seed: int
    period_s: float = PERIOD_S
    throttle: FloatArray | None = None
    deadline_s: float = math.inf
    row_s: float | None = None
    after_s: float = 0.0
    coding: Coding | None = None

    @property
    def frames(self) -> int:
        """Return the number T of frames."""
        return len(self.slowdown)

    @property
    def on_device(self) -> int:
        """Return the index of the arm p = P."""
        return len(self.robot_s) - 1

    def uplink(self) -> Uplink:
        """Make the model of the uplink, which computes how long bytes occupy it."""
        if self.row_s is None:
            return UplinkByFrame(self.mbps, self.period_s)
        return UplinkByTime(self.mbps, self.row_s)

    def total_s(self, starts_s: FloatArray | None = None) -> FloatArray:
        """
        Return the expected total delay of each arm at each frame on an idle link, in seconds, shape (T, n).

        :param starts_s: start time of each frame in seconds, shape (T,); needed only with `row_s`. None: one frame
            starts each period.
        """
        uplink, stages = self.uplink(), self.stages_s()
        starts = self.period_s * np.arange(self.frames) if starts_s is None else starts_s
        return np.stack([self.frame_total_s(uplink, k, starts[k], stages[k]) for k in range(self.frames)])

    def frame_total_s(self, uplink: Uplink, frame: int, start_s: float, robot_s: FloatArray) -> FloatArray:
        """
        Return the expected total delay of each arm at one frame on an idle link, in seconds, shape (n,).

        :param uplink: result of :meth:`uplink`.
        :param frame: index of the frame, from 0.
        :param start_s: start time of the frame, in seconds since the start of the run.
        :param robot_s: row of :meth:`stages_s` for this frame.
        """
        last = self.on_device
        ready_s = start_s + robot_s
        occupied_s = uplink.end_s(frame, ready_s, self.table.sent_bytes * self.transmission_factor) - ready_s
        offload = occupied_s + self.slowdown[frame] * self.compute_s + self.queue_s[frame] + self.round_trip_s
        offload[last] = 0.0
        total: FloatArray = offload + robot_s
        late = total > self.deadline_s
        late[last] = False
        return np.where(late, self.deadline_s + robot_s[last] - robot_s, total) if late.any() else total

    def stages_s(self) -> FloatArray:
        """Return the front-end delay of each arm at each frame in seconds, shape (T, n)."""
        throttle = np.ones(self.frames) if self.throttle is None else self.throttle
        stages: FloatArray = np.outer(throttle, self.robot_s)
        return stages

    def encode_s(self) -> FloatArray:
        """Return the seconds of encoding, which are a part of :meth:`stages_s`, at each frame; shape (T, n)."""
        throttle = np.ones(self.frames) if self.throttle is None else self.throttle
        return np.outer(throttle, np.zeros(len(self.robot_s)) if self.coding is None else self.coding.encode_s)


def linear_environment(
    table: NetworkTable,
    link: Link,
    *,
    robot_gmacs: float = 60.0,
    edge_gmacs: float = 2000.0,
    load: Load | None = None,
    noise: Noise = GAUSS,
    frames: int = 400,
    key_share: float = 0.2,
    seed: int = 0,
) -> Environment:
    """
    Make an environment with the truth `linear`: delays are linear in the features, and a transfer takes bytes / rate.

    :param robot_gmacs: the robot's speed in 10^9 multiply-accumulates per second. Each layer takes another 0.4 ms.
    :param edge_gmacs: the edge's speed in the same unit. Each layer takes another 0.1 ms.
    :param key_share: share of the frames that are key frames.
    """
    macs, layers = table.back_macs, table.back_layers
    rng = np.random.default_rng(seed)
    return draw_environment(
        table,
        robot_s=(macs[0] - macs) / (1e9 * robot_gmacs) + ROBOT_LAYER_S * (layers[0] - layers),
        compute_s=macs / (1e9 * edge_gmacs) + EDGE_LAYER_S * layers,
        transmission_factor=np.ones(len(macs)),
        round_trip_s=0.0,
        link=link,
        load=load,
        noise=noise,
        frames=frames,
        key_share=key_share,
        rng=rng,
    )


def measured_environment(
    table: NetworkTable,
    link: Link,
    *,
    robot_gmacs: float,
    edge_gmacs: float,
    round_trip_s: float,
    fragment_factor: float,
    load: Load | None = None,
    noise: Noise = GAUSS,
    frames: int = 400,
    key_share: float = 0.2,
    seed: int = 0,
) -> Environment:
    """
    Make an environment with the truth `measured`: delays vary over the partition points as on the profiled machine.

    :param robot_gmacs: multiply-accumulates of the whole network divided by the robot's seconds for it, in 10^9 per
        second.
    :param edge_gmacs: the same for the edge.
    :param round_trip_s: seconds that an empty message takes to the edge and back.
    :param fragment_factor: link time per byte of messages above 64 kB, relative to smaller messages; at least 1.
    """
    whole_macs = table.back_macs[0]
    return draw_environment(
        table,
        robot_s=table.front_s * (whole_macs / (1e9 * robot_gmacs) / table.front_s[-1]),
        compute_s=table.back_s * (whole_macs / (1e9 * edge_gmacs) / table.back_s[0]),
        transmission_factor=np.where(table.sent_bytes > FRAGMENT_BYTES, fragment_factor, 1.0),
        round_trip_s=round_trip_s,
        link=link,
        load=load,
        noise=noise,
        frames=frames,
        key_share=key_share,
        rng=np.random.default_rng(seed),
    )


def draw_environment(
    table: NetworkTable,
    *,
    robot_s: FloatArray,
    compute_s: FloatArray,
    transmission_factor: FloatArray,
    round_trip_s: float,
    link: Link,
    load: Load | None,
    noise: Noise,
    frames: int,
    key_share: float,
    rng: np.random.Generator,
    period_s: float = PERIOD_S,
    coding: Coding | None = None,
) -> Environment:
    """
    Draw the processes of an environment. Parameters that are not listed are those of :class:`Environment`.

    :param link: process of the uplink's rate.
    :param load: process of the edge's load; None: the edge is idle.
    :param frames: number T of frames.
    :param key_share: share of the frames that are key frames.
    :param rng: source of all random numbers.
    """
    mbps = link.sample(frames, rng)
    slowdown, queue_s = (load or ConstantLoad()).sample(frames, rng)
    return Environment(
        table=table,
        robot_s=robot_s,
        compute_s=compute_s,
        transmission_factor=transmission_factor,
        round_trip_s=round_trip_s,
        mbps=mbps,
        slowdown=slowdown,
        queue_s=queue_s,
        key_frames=rng.random(frames) < key_share,
        noise=noise,
        seed=int(rng.integers(2**31)),
        period_s=period_s,
        coding=coding,
    )
