# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Environments with the arms that a robot of a given speed would have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurosurgeon_ros.calibration.admission import Admission
from neurosurgeon_ros.calibration.delay_profile import DelayProfile
from neurosurgeon_ros.simulation.arms.codec_table import CodecTable
from neurosurgeon_ros.simulation.arms.coding import Coding
from neurosurgeon_ros.simulation.environment import (
    EDGE_LAYER_S,
    GAUSS,
    PERIOD_S,
    ROBOT_LAYER_S,
    Environment,
    Noise,
    draw_environment,
)
from neurosurgeon_ros.simulation.processes import Link, Load
from neurosurgeon_ros.simulation.streams.bytes import StreamBytes
from neurosurgeon_ros.simulation.table import NetworkTable

#: Defaults of the parameters `min_fidelity` and `fidelity_price_ms` of robot_node.
MIN_FIDELITY, FIDELITY_PRICE_S = Admission().min_fidelity, 0.5e-3


def codec_environment(
    table: CodecTable,
    link: Link,
    *,
    robot_gmacs: float = 60.0,
    edge_gmacs: float = 2000.0,
    load: Load | None = None,
    noise: Noise = GAUSS,
    frames: int = 400,
    key_share: float = 0.2,
    seed: int = 0,
    period_s: float = PERIOD_S,
    min_fidelity: float = MIN_FIDELITY,
    fidelity_price_s: float = FIDELITY_PRICE_S,
) -> Environment:
    """
    Make an environment with the truth `linear` and the arms that the robot would admit and keep.

    Front-ends and back-ends take the times of :func:`.linear_environment`. The robot's pre-processing, encoding and
    post-processing take the times of the profiled machine, scaled by the same factor as its whole network. The edge's
    decoding and post-processing take the times of the profiled machine, as a robot expects.

    :param table: all arms. Arms with too little fidelity are removed, and then arms that are never noticeably the best.
    :param robot_gmacs: the robot's speed in 10^9 multiply-accumulates per second. Each layer takes another 0.4 ms.
    :param edge_gmacs: the edge's speed in the same unit. Each layer takes another 0.1 ms.
    :param key_share: share of the frames that are key frames.
    :param period_s: seconds between two camera images.
    :param min_fidelity: required fidelity, in [0, 1].
    :param fidelity_price_s: penalty in seconds for each hundredth of fidelity that an arm loses.
    """
    known = table.at_rate(1.0 / period_s)
    arms = robot_table(known, robot_gmacs, min_fidelity=min_fidelity, fidelity_price_s=fidelity_price_s)
    profile = arms.profile
    compute_s = arms.back_macs / (1e9 * edge_gmacs) + EDGE_LAYER_S * arms.back_layers + table.profile.postprocess_s
    compute_s[-1] = 0.0
    return draw_environment(
        NetworkTable(arms.name, arms.arms, arms.features, profile.front_s[arms.point], arms.back_s),
        robot_s=arms.robot_s,
        compute_s=compute_s,
        transmission_factor=np.ones(len(arms.arms)),
        round_trip_s=0.0,
        link=link,
        load=load,
        noise=noise,
        frames=frames,
        key_share=key_share,
        rng=np.random.default_rng(seed),
        period_s=period_s,
        coding=Coding(
            arms.point,
            profile.encode_s,
            profile.decode_s,
            arms.fidelity,
            fidelity_price_s,
            streams=StreamBytes.of(arms.arms, arms.key_bytes, arms.streams) if arms.key_bytes.any() else None,
        ),
    )


def robot_table(
    table: CodecTable,
    robot_gmacs: float,
    *,
    min_fidelity: float = MIN_FIDELITY,
    fidelity_price_s: float = FIDELITY_PRICE_S,
) -> CodecTable:
    """
    Return a table of the arms that a robot of this speed would admit and keep, with seconds on that robot.

    The parameters are those of :func:`codec_environment`.
    """
    admitted = table.admitted(min_fidelity)
    robots = table.on_robot(_robot_profile(table, robot_gmacs)).admitted(min_fidelity)
    speed = float(table.profile.front_s[-1] / robots.profile.front_s[-1])
    return robots.of(admitted.pruned(robots.robot_s, speed=speed, fidelity_price_s=fidelity_price_s))


def _robot_profile(table: CodecTable, robot_gmacs: float) -> DelayProfile:
    """Return the delay profile of a robot of this speed, see :func:`codec_environment`."""
    measured, macs, layers = table.profile, table.back_macs, table.back_layers
    front_s = np.zeros(len(measured.front_s))
    front_s[table.point] = (macs[0] - macs) / (1e9 * robot_gmacs) + ROBOT_LAYER_S * (layers[0] - layers)
    slower = float(front_s[-1] / measured.front_s[-1])
    return replace(
        measured,
        preprocess_s=slower * measured.preprocess_s,
        front_s=front_s,
        encode_s=slower * measured.encode_s,
        postprocess_s=slower * measured.postprocess_s,
    )
