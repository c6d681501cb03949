# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""One network made ready to run: loaded, cut, warmed up, and measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurosurgeon_ros.codecs import (
    CameraImage,
    CameraPicture,
    Codec,
    CodecError,
    EncodedTensor,
    TensorSpec,
    get_codec,
)
from neurosurgeon_ros.codecs.camera import AS_RECEIVED
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.learning.interface import FloatArray
from neurosurgeon_ros.learning.key_frames import KeyFrameDetector
from neurosurgeon_ros.models import Letterbox, Model, load_model
from neurosurgeon_ros.partition import BeforeStep, PartitionedNetwork, partition, profile
from neurosurgeon_ros.runtime.device import CPU, DeviceBackEnds, choose_device
from neurosurgeon_ros.runtime.trimming import Trimming

#: Shape of the image that calibration measures with: a customary camera's.
CAMERA_SHAPE = (480, 640, 3)

#: Seconds for which the network is profiled at least.
PROFILE_S = 1.0

#: Sizes of images of which it is remembered how they are fitted in.
_MOST_SIZES = 16

#: What carries a tensor that an arm's codec does not accept: the first of these that does, as it is.
PLAIN_CODECS = ("fp32", "uint8", "raw")

#: As long as nothing was calibrated.
NO_LIMITS: Mapping[str, CrossingLimits] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Arm:
    """
    A partition point with a codec.

    :param point: p.
    :param codec: registered name; empty for `on_device`. Tensors that it does not accept travel as they are.
    :param name: "point/codec", or `on_device`.
    :param carriers: what encodes each tensor that crosses.
    """

    point: int
    codec: str
    name: str
    carriers: tuple[Codec, ...] = field(default=(), compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """
    What each step takes on this machine with nothing else to do; seconds.

    :param score_s: key-frame score.
    :param preprocess_s: image to input tensor.
    :param front_s: front-end up to each p, shape (P + 1,); front_s[0] = 0, front_s[P] is the whole network.
    :param encode_s: of each arm; 0 for `on_device`.
    :param decode_s: of each arm; 0 for `on_device`.
    :param postprocess_s: raw outputs to detections.
    """

    score_s: float
    preprocess_s: float
    front_s: FloatArray
    encode_s: FloatArray
    decode_s: FloatArray
    postprocess_s: float


class Engine:
    """
    A model with its partition points.

    :param model: the network with its pre- and post-processing.
    :param keep_all: keep also the partition points where an earlier one carries no more.
    :param device: of the back-ends, one of :data:`neurosurgeon_ros.runtime.device.DEVICES`; front-ends run on the CPU.
    :param half: let back-ends compute in fp16, on a GPU.

    :ivar unquantised: tensors that were to be quantised, but had NaN or infinity and were encoded as fp32.
    """

    def __init__(self, model: Model, *, keep_all: bool = False, device: str = CPU, half: bool = False) -> None:
        chosen = choose_device(device)
        self.model = model
        self.unquantised = 0
        self._fitted: dict[tuple[int, ...], Letterbox] = {}
        self.partitioned: PartitionedNetwork = partition(model.network, model.example_input, keep_all=keep_all)
        self._trimming = Trimming(self.partitioned)
        self._elsewhere: DeviceBackEnds | None = None
        if chosen.type != CPU:
            self._elsewhere = DeviceBackEnds(model, self.partitioned, chosen, keep_all=keep_all, half=half)

    @classmethod
    def load(
        cls,
        name: str,
        *,
        weights: Path | None = None,
        random_weights: bool = False,
        keep_all: bool = False,
        device: str = CPU,
        half: bool = False,
    ) -> Engine:
        """
        Load a network, as :func:`neurosurgeon_ros.models.load_model` finds it.

        :param name: a registered one, `package.module:factory`, or `FILE.pt2` or `FILE.pt2:POSTPROCESSING`.
        :param weights: its weights file; None for the one in the cache folder.
        :param random_weights: take random weights instead of a file.
        :param keep_all: as in the constructor, like `device` and `half`.
        :raises ValueError: if there is no such network, or it cannot be loaded or cut; the message is one sentence.
        """
        choose_device(device)  # before the weights are read
        model = load_model(name, weights=weights, random_weights=random_weights)
        return cls(model, keep_all=keep_all, device=device, half=half)

    @property
    def device(self) -> str:
        """Where back-ends run: `cpu` or `cuda`."""
        return self._elsewhere.device.type if self._elsewhere is not None else CPU

    def run_back(self, tensors: Sequence[torch.Tensor], p: int) -> Any:
        """
        Run the back-end after p on the engine's device; its outputs are on the CPU, and there.

        For one thread at a time.
        """
        if self._elsewhere is not None:
            return self._elsewhere.run(tensors, p)
        trimmed = self._trimming.find(tensors) if p == 0 and len(tensors) == 1 else None
        return self.partitioned.run_back(tensors, p) if trimmed is None else trimmed.run(tensors)

    def prepare(self) -> None:
        """Make what back-ends have lacked so far; it takes a few times as long as one, so while nobody waits."""
        self._trimming.prepare()

    def run_whole(self, x: torch.Tensor, before_step: BeforeStep | None = None) -> Any:
        """
        Run the whole network on the CPU, without the input's margins where that was made ready; for one thread.

        :param before_step: called before each step; what it raises ends the run.
        """
        trimmed = self._trimming.find((x,))
        if trimmed is None:
            return self.partitioned.run_whole(x, before_step)
        return trimmed.run((x,), before_step)

    def make_ready(self, shape: tuple[int, ...]) -> bool:
        """
        See to it that :meth:`run_whole` leaves out what images of this shape do not reach.

        :param shape: (height, width, 3).
        :returns: whether there is anything to leave out.
        """
        return self._trimming.expect(self._empty(shape)) is not None

    def time_whole(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Give the seconds of :meth:`run_whole` for such an image, and of the network with nothing left out."""
        x, whole = self._empty(shape), self.partitioned.run_whole
        return _least_seconds(lambda: self.run_whole(x), 1), _least_seconds(lambda: whole(x), 1)

    def _empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        return self.model.preprocess(np.zeros(shape, dtype=np.uint8))[0]

    def run_back_together(self, many: Sequence[Sequence[torch.Tensor]], p: int) -> list[Any]:
        """Run the back-end after p once for several requests; see :mod:`neurosurgeon_ros.runtime.batching`."""
        if self._elsewhere is not None:
            return self._elsewhere.run_together(many, p)
        trimmed = self._trimming.find([x for (x,) in many]) if p == 0 and len(many[0]) == 1 else None
        return self.partitioned.run_back_together(many, p) if trimmed is None else trimmed.run_together(many)

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hexadecimal) of graph and weights."""
        return self.partitioned.fingerprint

    @property
    def on_device(self) -> int:
        """Partition point P."""
        return len(self.partitioned.points) - 1

    def arms(
        self, codecs: Sequence[str], *, limits: Mapping[str, CrossingLimits] = NO_LIMITS, as_received: bool = False
    ) -> tuple[Arm, ...]:
        """
        Every partition point with every codec that can carry some tensor of it, then `on_device`.

        Codecs that come to the same at a point are one arm, which has the name of the first.

        What carries the camera's image stands at p = 0 alone, where the network takes nothing but an image.

        :param limits: what a calibration found for codecs that take limits, by name of the arm; those of which it
            found nothing are no arms.
        :param as_received: whether `as_received` is there, too, if it is named.
        :raises ValueError: if a codec is not registered, or limits are not those of this network.
        """
        chosen = [get_codec(name) for name in codecs]
        arms = []
        for point in self.partitioned.points[: self.on_device]:
            seen: set[tuple[str, ...]] = set()
            for codec in chosen:
                name = f"{point.name}/{codec.name}"
                if isinstance(codec, CameraPicture) and not (point.index == 0 and len(point.tensors) == 1):
                    continue
                if codec is AS_RECEIVED and not as_received:
                    continue
                if codec.calibrated and name not in limits:
                    continue
                carriers = carriers_of(codec, point.tensors)
                names = tuple(carrier.name for carrier in carriers)
                if carriers and names not in seen:
                    seen.add(names)
                    fitted = limited(carriers, point.tensors, limits[name]) if codec.calibrated else carriers
                    arms.append(Arm(point.index, codec.name, name, fitted))
        return (*arms, Arm(self.on_device, "", self.partitioned.points[self.on_device].name))

    def is_lossless(self, arm: Arm) -> bool:
        """Say whether an arm's results are the whole network's, bit for bit."""
        return all(codec.lossless for codec in arm.carriers)

    def expected_bytes(self, arm: Arm) -> int:
        """Give the bytes that an arm usually sends."""
        specs = self.partitioned.points[arm.point].tensors
        return sum(codec.expected_bytes(spec) for codec, spec in zip(arm.carriers, specs, strict=True))

    def fitted(self, shape: tuple[int, ...]) -> Letterbox:
        """
        Tell how an image is fitted into the network's input, without its pre-processing.

        :param shape: of the image, (height, width, 3).
        """
        known = self._fitted.get(shape)
        if known is None:
            if len(self._fitted) >= _MOST_SIZES:
                self._fitted.clear()
            known = self._fitted[shape] = self.model.preprocess(np.zeros(shape, dtype=np.uint8))[1]
        return known

    def encode_image(self, arm: Arm, image: CameraImage) -> tuple[EncodedTensor, ...]:
        """
        Let the camera's image stand for the network's input, by an arm whose :meth:`camera_codec` there is.

        :raises CodecError: the image cannot travel so.
        """
        codec = self.camera_codec(arm)
        if codec is None:
            raise CodecError(f"Arm {arm.name} sends tensors, not the camera's image; encode what run_front returned.")
        return (codec.carry(image, self.partitioned.points[arm.point].tensors[0]),)

    def camera_codec(self, arm: Arm) -> CameraPicture | None:
        """Give the codec of an arm that sends the camera's image; None for any other arm."""
        codec = get_codec(arm.codec) if arm.codec else None
        return codec if isinstance(codec, CameraPicture) else None

    def encode(self, arm: Arm, tensors: Sequence[torch.Tensor]) -> tuple[EncodedTensor, ...]:
        """
        Encode what crosses at an arm's partition point; tensors that cannot be quantised are counted.

        :raises CodecError: the arm sends the camera's image, for which there is :meth:`encode_image`.
        """
        specs, codecs = self.partitioned.points[arm.point].tensors, arm.carriers
        encoded = tuple(codec.encode(tensor, spec) for codec, tensor, spec in zip(codecs, tensors, specs, strict=True))
        self.unquantised += sum(one.codec != codec.name for one, codec in zip(encoded, codecs, strict=True))
        return encoded

    def decode(self, point: int, encoded: Sequence[EncodedTensor]) -> tuple[torch.Tensor, ...]:
        """
        Decode what came for a partition point.

        The camera's image is pre-processed as on the robot.

        :raises CodecError: if it is not what the point has.
        """
        specs = self.partitioned.points[point].tensors
        codecs = [get_codec(one.codec) for one in encoded]
        if point == 0 and len(codecs) == len(specs) == 1 and isinstance(codecs[0], CameraPicture):
            return (self._preprocessed(codecs[0].image(encoded[0], specs[0]), specs[0]),)
        return tuple(codec.decode(one, spec) for codec, one, spec in zip(codecs, encoded, specs, strict=True))

    def _preprocessed(self, image: NDArray[np.uint8], spec: TensorSpec) -> torch.Tensor:
        x, _ = self.model.preprocess(image)
        if tuple(x.shape) != spec.shape:
            raise CodecError(f"{self.model.name} makes {tuple(x.shape)} of the image, and takes {spec.shape}.")
        return x

    def warm_up(self) -> None:
        """Run both halves of every cut once, so that no frame pays for a first time."""
        x = self.model.example_input
        with torch.inference_mode():
            for point in self.partitioned.points[: self.on_device]:
                self.run_back(self.partitioned.run_front(x, point.index)[point.index], point.index)

    def calibrate(self, arms: Sequence[Arm], *, repeats: int = 7) -> Calibration:
        """
        Measure every step on this machine; the fastest of `repeats`, which nothing else was in the way of.

        Torch's thread count is the calling thread's: it has to be the one that frames run with.
        """
        image = np.random.default_rng(0).integers(0, 256, CAMERA_SHAPE, dtype=np.uint8)
        with torch.inference_mode():
            x, letterbox = self.model.preprocess(image)
            front_s = self._front_seconds(x, repeats)
            outputs = self.partitioned.run_whole(x)
            fronts = self.partitioned.run_front(x, self.on_device - 1, keep=range(self.on_device - 1))
            encode_s, decode_s = np.zeros(len(arms)), np.zeros(len(arms))
            for index, arm in enumerate(arms):
                if arm.codec:
                    encode_s[index], decode_s[index] = self._codec_seconds(arm, fronts[arm.point], repeats)
            key_frames = KeyFrameDetector()
            return Calibration(
                score_s=_least_seconds(lambda: key_frames.score(image), repeats),
                preprocess_s=_least_seconds(lambda: self.model.preprocess(image), repeats),
                front_s=front_s,
                encode_s=encode_s,
                decode_s=decode_s,
                postprocess_s=_least_seconds(lambda: self._postprocess(outputs, letterbox), repeats),
            )

    def _front_seconds(self, x: torch.Tensor, repeats: int) -> FloatArray:
        """Profile again and again for a while, since other processes come and go; the fastest pass counts."""
        end = time.perf_counter() + PROFILE_S
        front_s = profile(self.partitioned, x, repeats=repeats, warmup=2).front_s
        while time.perf_counter() < end:
            front_s = np.minimum(front_s, profile(self.partitioned, x, repeats=1, warmup=0).front_s)
        return front_s

    def _codec_seconds(self, arm: Arm, tensors: Sequence[torch.Tensor], repeats: int) -> tuple[float, float]:
        if self.camera_codec(arm) is not None:
            image = customary_image()
            encode: Callable[[], tuple[EncodedTensor, ...]] = lambda: self.encode_image(arm, image)  # noqa: E731
        else:
            encode = lambda: self.encode(arm, tensors)  # noqa: E731
        encoded = encode()
        return _least_seconds(encode, repeats), _least_seconds(lambda: self.decode(arm.point, encoded), repeats)

    def _postprocess(self, outputs: object, letterbox: Letterbox) -> None:
        self.model.postprocess(outputs, letterbox, confidence=0.25, iou=0.45)


def carriers_of(codec: Codec, specs: Sequence[TensorSpec]) -> tuple[Codec, ...]:
    """
    Give what carries each tensor: the codec where it accepts the tensor, for the rest the first plain one that does.

    :returns: nothing if the codec accepts none of the tensors, or if one of them can be carried by nothing.
    """
    plain = [get_codec(name) for name in PLAIN_CODECS]
    if not any(codec.accepts(spec) for spec in specs):
        return ()
    carriers = [next((one for one in (codec, *plain) if one.accepts(spec)), None) for spec in specs]
    return tuple(one for one in carriers if one is not None) if None not in carriers else ()


def limited(carriers: Sequence[Codec], specs: Sequence[TensorSpec], limits: CrossingLimits) -> tuple[Codec, ...]:
    """
    Give what carries each tensor within its limits.

    :raises CodecError: the limits are another network's.
    """
    if len(limits) != len(specs):
        raise CodecError(f"limits for {len(limits)} tensors were given where {len(specs)} cross; calibrate again")
    return tuple(
        carrier if limit is None else carrier.within(limit, spec)
        for carrier, spec, limit in zip(carriers, specs, limits, strict=True)
    )


def customary_image() -> CameraImage:
    """
    Make a camera's image of a customary size, whose JPEG takes about as many bytes and as long as it usually does.

    Light changes faster from pixel to pixel than colour, as in what cameras see.
    """
    height, width, channels = CAMERA_SHAPE
    draw = np.random.default_rng(0)
    light = cv2.resize(draw.uniform(0.0, 255.0, (height // 10, width // 10)), (width, height))
    tint = cv2.resize(draw.uniform(-24.0, 24.0, (height // 24, width // 24, channels)), (width, height))
    pixels = np.clip(light[:, :, None] + tint, 0.0, 255.0).astype(np.uint8)
    return CameraImage(pixels, cv2.imencode(".jpg", pixels)[1].data)


def _least_seconds(step: Callable[[], object], repeats: int) -> float:
    seconds: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)
