# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Experiments. Each runs policies in scenarios, and returns a plot, a table and figures for summary.json."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from neurosurgeon_ros.simulation.experiments import delays, judged, learning, links, outage, robustness, streams
from neurosurgeon_ros.simulation.experiments.result import Result
from neurosurgeon_ros.simulation.experiments.settings import Settings


@dataclass(frozen=True, slots=True)
class Experiment:
    """
    An experiment that can be selected by name.

    :param about: one-line description.
    :param run: function that runs the experiment.
    """

    about: str
    run: Callable[[Settings], Result]


#: All experiments by name, in the order in which they run.
EXPERIMENTS: MappingProxyType[str, Experiment] = MappingProxyType(
    {
        "stages": Experiment("1: delay of each stage, by partition point", delays.stages),
        "edge_speeds": Experiment(
            "2: total delay by partition point, with edges of several speeds", delays.edge_speeds
        ),
        "link_rates": Experiment("3: total delay by partition point, at several rates", delays.link_rates),
        "prediction": Experiment("4: error of the predicted offloading delay over frames", learning.prediction),
        "comparison": Experiment("5: mean delay of the policies at each rate", learning.comparison),
        "tracking": Experiment("6: the chosen point, frame by frame, while link and edge change", learning.tracking),
        "trapped": Experiment("7: LinUCB trapped on the device, muLinUCB escaping", learning.trapped),
        "key_frames": Experiment("8: delays of key frames and others by the weights' difference", learning.key_frames),
        "forced_sampling": Experiment(
            "9: how often sampling is forced, horizon known or not", learning.forced_sampling
        ),
        "ablation": Experiment("the default policy without each of its parts", robustness.ablation),
        "regret": Experiment("regret over 12,800 frames, with its slope", robustness.regret),
        "contention": Experiment("an edge that is slow during the first frames", robustness.contention),
        "outage": Experiment("a link that is slow or dead for a while, by the robot's own rules", outage.outage),
        "links": Experiment("mobile links, made or recorded, by the robot's own rules", links.links),
        "streams": Experiment(
            "arms with memory on mobile links, by the robot's own rules, and the best plan", streams.streams
        ),
        "grid": Experiment("all policies at three rates with a fast and a slow edge", judged.grid),
        "change": Experiment("all policies while the uplink falls and rises", judged.change),
        "hard": Experiment("all policies on links that wander or switch, with heavy noise", judged.hard),
        "random": Experiment("all policies in 100 random scenarios of a seed", judged.random),
        "constants": Experiment("the default policy with nominal constants ten times off", judged.constants),
    }
)
