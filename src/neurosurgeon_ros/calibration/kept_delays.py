# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""Delay profiles kept from one start to the next: a robot starts sooner if its profile is still valid."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurosurgeon_ros.atomic_write import write_text_atomically
from neurosurgeon_ros.calibration.delay_profile import CAMERA_SHAPE, DelayProfile, measure_delays
from neurosurgeon_ros.inference.arm import Arm
from neurosurgeon_ros.inference.engine import Engine
from neurosurgeon_ros.models.files import cache_folder

#: Version of the file; a file of any other version is measured again.
FORMAT = 2

#: A profile is valid while the whole network takes longer or less time than in it by at most these shares. The second
#: share is smaller, so that a machine that was busy at that time does not seem slow forever.
SLOWER, FASTER = 0.15, 0.05

#: Number of runs of the whole network for that check; the fastest counts.
RUNS = 5


class KeptDelays:
    """
    Measures a network's arms, or reuses the profile of an earlier start if this machine is still as fast.

    :param folder: folder of the files, created if it does not exist; None for the cache folder.
    :param measure: measures the arms if no profile is kept.
    :param is_as_fast: returns whether this machine is still as fast as when the kept profile was measured.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        measure: Callable[[Engine, Sequence[Arm]], DelayProfile] = measure_delays,
        is_as_fast: Callable[[Engine, DelayProfile], bool] | None = None,
    ) -> None:
        self._folder = cache_folder() / "delays" if folder is None else folder
        self._measure = measure
        self._is_as_fast = is_as_fast or whole_is_as_fast

    def calibrate(self, engine: Engine, arms: Sequence[Arm]) -> DelayProfile:
        """
        Return the delay of each step, as :func:`.delay_profile.measure_delays` does.

        Torch uses the calling thread's thread count.

        If a file cannot be read or is from another machine, the delays are measured again. If a file cannot be written,
        the profile is not kept.
        """
        file = self._folder / f"{engine.fingerprint[:16]}-{torch.get_num_threads()}.json"
        kept = self._read(file, engine, arms)
        if kept is not None and self._is_as_fast(engine, kept):
            return kept
        fresh = self._measure(engine, arms)
        with contextlib.suppress(OSError):
            self._write(file, engine, arms, fresh)
        return fresh

    def _read(self, file: Path, engine: Engine, arms: Sequence[Arm]) -> DelayProfile | None:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if content["of"] != _circumstances(engine):
                return None
            kept = DelayProfile(
                score_s=float(content["score_s"]),
                preprocess_s=float(content["preprocess_s"]),
                front_s=np.array(content["front_s"], dtype=np.float64),
                encode_s=np.array([content["encode_s"][arm.name] for arm in arms], dtype=np.float64),
                decode_s=np.array([content["decode_s"][arm.name] for arm in arms], dtype=np.float64),
                postprocess_s=float(content["postprocess_s"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
        figures = np.concatenate(
            [[kept.score_s, kept.preprocess_s, kept.postprocess_s], kept.front_s.ravel(), kept.encode_s, kept.decode_s]
        )
        fits = kept.front_s.shape == (engine.on_device + 1,) and bool(np.isfinite(figures).all())
        return kept if fits and bool((figures >= 0.0).all()) else None

    def _write(self, file: Path, engine: Engine, arms: Sequence[Arm], fresh: DelayProfile) -> None:
        content = {
            "of": _circumstances(engine),
            "score_s": fresh.score_s,
            "preprocess_s": fresh.preprocess_s,
            "front_s": fresh.front_s.tolist(),
            "encode_s": {arm.name: float(seconds) for arm, seconds in zip(arms, fresh.encode_s, strict=True)},
            "decode_s": {arm.name: float(seconds) for arm, seconds in zip(arms, fresh.decode_s, strict=True)},
            "postprocess_s": fresh.postprocess_s,
        }
        write_text_atomically(file, json.dumps(content, indent=1) + "\n")


def _circumstances(engine: Engine) -> dict[str, Any]:
    """Return the conditions that a profile depends on, apart from the current speed of the machine."""
    return {
        "format": FORMAT,
        "fingerprint": engine.fingerprint,
        "points": [point.name for point in engine.partitioned.points],
        "torch": torch.__version__,
        "machine": [platform.machine(), platform.node(), len(os.sched_getaffinity(0))],
        "threads": torch.get_num_threads(),
    }


def whole_is_as_fast(engine: Engine, kept: DelayProfile, *, clock: Callable[[], float] = time.perf_counter) -> bool:
    """Return whether the whole network takes as long as in the kept profile."""
    image = np.random.default_rng(0).integers(0, 256, CAMERA_SHAPE, dtype=np.uint8)
    x, _ = engine.model.preprocess(image)
    then_s, now_s = float(kept.front_s[-1]), float("inf")
    for _ in range(RUNS):
        begin_s = clock()
        engine.partitioned.run_whole(x)
        now_s = min(now_s, clock() - begin_s)
        if abs(now_s - then_s) <= FASTER * then_s:
            return True
    return then_s < now_s <= (1.0 + SLOWER) * then_s
