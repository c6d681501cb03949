# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A network that is ready to run: loads and partitions it, runs its parts, and encodes and decodes their tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurosurgeon_ros.codecs import (
    CameraImage,
    CameraPicture,
    Codec,
    CodecError,
    EncodedTensor,
    StreamCodec,
    TensorSpec,
    find_codec,
)
from neurosurgeon_ros.codecs.limits import CrossingLimits
from neurosurgeon_ros.codecs.streams.camera_stream import ImageDecoder, ImageEncoder
from neurosurgeon_ros.inference.arm import NO_LIMITS, Arm, list_arms, plain_codec
from neurosurgeon_ros.inference.device import CPU, DeviceBackEnds, choose_device
from neurosurgeon_ros.inference.padding_elimination import PaddingElimination
from neurosurgeon_ros.inference.timing import least_seconds
from neurosurgeon_ros.models import Letterbox, Model, load_model
from neurosurgeon_ros.partition import BeforeStep, PartitionedNetwork, partition

#: Maximum number of image sizes whose letterbox is remembered.
_MOST_SIZES = 16


class Engine:
    """
    A model with its partition points.

    :param model: the network with its pre- and post-processing.
    :param keep_all: also keep the partition points where an earlier one carries no more.
    :param device: device of the back-ends, one of :data:`.device.DEVICES`; front-ends run on the CPU.
    :param half: let back-ends compute in fp16 on a GPU.

    :ivar model: the model without its network, which is in `partitioned`.
    :ivar unquantised: number of tensors that had NaN or infinity, and were encoded as fp32 instead of quantised.
    """

    def __init__(self, model: Model, *, keep_all: bool = False, device: str = CPU, half: bool = False) -> None:
        chosen = choose_device(device)
        self.unquantised = 0
        self._fitted: dict[tuple[int, ...], Letterbox] = {}
        self.partitioned: PartitionedNetwork = partition(model.network, model.example_input, keep_all=keep_all)
        self._padding = PaddingElimination(self.partitioned)
        self._elsewhere: DeviceBackEnds | None = None
        if chosen.type != CPU:
            self._elsewhere = DeviceBackEnds(model, self.partitioned, chosen, keep_all=keep_all, half=half)
        # What runs holds its own form of the weights. They are freed with the network, unless the caller keeps it.
        self.model = replace(model, network=nn.Identity())

    @classmethod
    def load(
        cls,
        name: str,
        *,
        weights: Path | None = None,
        random_weights: bool = False,
        labels: Path | None = None,
        keep_all: bool = False,
        device: str = CPU,
        half: bool = False,
    ) -> Engine:
        """
        Load a network, as :func:`neurosurgeon_ros.models.load_model` finds it.

        :param name: a registered name, `package.module:factory`, `FILE.pt2`, `FILE.onnx`, `FILE.torchscript` or
            `FILE:POSTPROCESSING`.
        :param weights: its weights file; None for the file in the cache folder.
        :param random_weights: use random weights instead of a file.
        :param labels: a file with the names of the classes; None for those of the network.
        :param keep_all: as in the constructor, like `device` and `half`.
        :raises ValueError: if there is no such network, or it cannot be loaded or partitioned; the message is one
            sentence.
        """
        choose_device(device)  # fail before the weights are read
        model = load_model(name, weights=weights, random_weights=random_weights, labels=labels)
        return cls(model, keep_all=keep_all, device=device, half=half)

    @property
    def device(self) -> str:
        """Return the device of the back-ends: `cpu` or `cuda`."""
        return self._elsewhere.device.type if self._elsewhere is not None else CPU

    def run_back(self, tensors: Sequence[torch.Tensor], p: int) -> Any:
        """
        Run the back-end after p on the engine's device, and wait for its outputs on the CPU.

        Call from one thread at a time.
        """
        if self._elsewhere is not None:
            return self._elsewhere.run(tensors, p)
        trimmed = self._padding.find(tensors) if p == 0 and len(tensors) == 1 else None
        return self.partitioned.run_back(tensors, p) if trimmed is None else trimmed.run(tensors)

    def prepare(self) -> None:
        """Prepare optimisations for later back-ends. Call this when idle, since it takes several back-ends' time."""
        self._padding.prepare()

    def run_whole(self, x: torch.Tensor, before_step: BeforeStep | None = None) -> Any:
        """
        Run the whole network on the CPU, without the input's padding if that was prepared. Use from one thread only.

        :param before_step: called before each step; an exception that it raises ends the run.
        """
        trimmed = self._padding.find((x,))
        if trimmed is None:
            return self.partitioned.run_whole(x, before_step)
        return trimmed.run((x,), before_step)

    def eliminate_padding(self, shape: tuple[int, ...]) -> bool:
        """
        Let :meth:`run_whole` skip the padding of images of this shape from now on.

        :param shape: (height, width, 3).
        :returns: whether these images have padding that can be skipped.
        """
        return self._padding.expect(self._empty(shape)) is not None

    def compare_padding(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Return the seconds of :meth:`run_whole` for an image of this shape, and of the network with its padding."""
        x, whole = self._empty(shape), self.partitioned.run_whole
        return least_seconds(lambda: self.run_whole(x), 1), least_seconds(lambda: whole(x), 1)

    def _empty(self, shape: tuple[int, ...]) -> torch.Tensor:
        return self.model.preprocess(np.zeros(shape, dtype=np.uint8))[0]

    def run_back_together(self, many: Sequence[Sequence[torch.Tensor]], p: int) -> list[Any]:
        """Run the back-end after p once for one request or several; see :mod:`neurosurgeon_ros.inference.batching`."""
        if len(many) == 1:
            return [self.run_back(many[0], p)]
        if self._elsewhere is not None:
            return self._elsewhere.run_together(many, p)
        trimmed = self._padding.find([x for (x,) in many]) if p == 0 and len(many[0]) == 1 else None
        return self.partitioned.run_back_together(many, p) if trimmed is None else trimmed.run_together(many)

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 (hexadecimal) of the graph and the weights."""
        return self.partitioned.fingerprint

    @property
    def on_device(self) -> int:
        """Return partition point P."""
        return len(self.partitioned.points) - 1

    def arms(
        self, codecs: Sequence[str], *, limits: Mapping[str, CrossingLimits] = NO_LIMITS, as_received: str = ""
    ) -> tuple[Arm, ...]:
        """Return every partition point with every codec, see :func:`~neurosurgeon_ros.inference.arm.list_arms`."""
        return list_arms(self.partitioned.points, codecs, limits=limits, as_received=as_received)

    def expected_bytes(self, arm: Arm, *, key: bool = False) -> int:
        """
        Return the number of bytes that an arm usually sends.

        :param key: of a stream's key; no different for codecs without memory.
        """
        specs = self.partitioned.points[arm.point].tensors
        return sum(
            codec.expected_key_bytes(spec) if key and isinstance(codec, StreamCodec) else codec.expected_bytes(spec)
            for codec, spec in zip(arm.carriers, specs, strict=True)
        )

    def fitted(self, shape: tuple[int, ...]) -> Letterbox:
        """
        Return how an image is fitted into the network's input, without pre-processing it.

        :param shape: shape of the image, (height, width, 3).
        """
        known = self._fitted.get(shape)
        if known is None:
            if len(self._fitted) >= _MOST_SIZES:
                self._fitted.clear()
            known = self._fitted[shape] = self.model.preprocess(np.zeros(shape, dtype=np.uint8))[1]
        return known

    def encode_image(self, arm: Arm, image: CameraImage) -> tuple[EncodedTensor, ...]:
        """
        Encode the camera's image in place of the network's input, for an arm that sends it.

        A codec with memory encodes a key that belongs to no stream, with an encoder that is used only once.

        :raises CodecError: if the image cannot be sent this way.
        """
        codec, spec = next(iter(arm.carriers), None), self.partitioned.points[arm.point].tensors[0]
        if isinstance(codec, CameraPicture):
            return (codec.carry(image, spec),)
        if isinstance(codec, StreamCodec):
            encoder = codec.encoder(spec)
            if isinstance(encoder, ImageEncoder):
                return (encoder.carry(image, key=True),)
        raise CodecError(f"Arm {arm.name} sends tensors, not the camera's image; encode what run_front returned.")

    def encode(self, arm: Arm, tensors: Sequence[torch.Tensor]) -> tuple[EncodedTensor, ...]:
        """
        Encode the tensors at an arm's partition point, and count those that cannot be quantised.

        A codec with memory encodes a key that belongs to no stream, with an encoder that is used only once.

        :raises CodecError: if the arm sends the camera's image; use :meth:`encode_image` for that.
        """
        specs, codecs = self.partitioned.points[arm.point].tensors, arm.carriers
        encoded = tuple(_encode(codec, one, spec) for codec, one, spec in zip(codecs, tensors, specs, strict=True))
        self.unquantised += sum(one.codec != codec.name for one, codec in zip(encoded, codecs, strict=True))
        return encoded

    def encode_plainly(self, point: int, tensors: Sequence[torch.Tensor]) -> tuple[EncodedTensor, ...]:
        """
        Encode the tensors at a partition point with plain codecs, which change nothing.

        :raises CodecError: if no plain codec accepts a tensor.
        """
        encoded = []
        for tensor, spec in zip(tensors, self.partitioned.points[point].tensors, strict=True):
            codec = plain_codec(spec)
            if codec is None:
                raise CodecError(f"Tensor {spec.name!r} of type {spec.dtype} has no plain codec; finish on the robot.")
            encoded.append(codec.encode(tensor, spec))
        return tuple(encoded)

    def decode(self, point: int, encoded: Sequence[EncodedTensor]) -> tuple[torch.Tensor, ...]:
        """
        Decode the tensors received for a partition point.

        If the camera's image was received, it is pre-processed as on the robot. A tensor of a codec with memory is
        taken for a key that belongs to no stream.

        :raises CodecError: if the tensors do not match the partition point.
        """
        specs = self.partitioned.points[point].tensors
        codecs = [find_codec(one.codec) for one in encoded]
        if point == 0 and len(codecs) == len(specs) == 1 and isinstance(codecs[0], CameraPicture):
            return (self.preprocessed(codecs[0].image(encoded[0], specs[0]), specs[0]),)
        return tuple(self._decode(codec, one, spec) for codec, one, spec in zip(codecs, encoded, specs, strict=True))

    def _decode(self, codec: Codec | StreamCodec, encoded: EncodedTensor, spec: TensorSpec) -> torch.Tensor:
        if not isinstance(codec, StreamCodec):
            return codec.decode(encoded, spec)
        decoder = codec.decoder(spec)
        if isinstance(decoder, ImageDecoder):
            return self.preprocessed(decoder.image(encoded, key=True), spec)
        return decoder.decode(encoded, key=True)

    def preprocessed(self, image: NDArray[np.uint8], spec: TensorSpec) -> torch.Tensor:
        """
        Return the network's input for an image of a camera.

        :param image: BGR, shape (height, width, 3).
        :raises CodecError: if it is not what crosses at the partition point.
        """
        x, _ = self.model.preprocess(image)
        if tuple(x.shape) != spec.shape:
            raise CodecError(f"{self.model.name} makes {tuple(x.shape)} of the image, and takes {spec.shape}.")
        return x

    def warm_up(self) -> None:
        """Run both parts of the network once at every partition point, so that no frame pays for the first run."""
        x = self.model.example_input
        with torch.inference_mode():
            for point in self.partitioned.points[: self.on_device]:
                self.run_back(self.partitioned.run_front(x, point.index)[point.index], point.index)


def _encode(codec: Codec | StreamCodec, tensor: torch.Tensor, spec: TensorSpec) -> EncodedTensor:
    if isinstance(codec, StreamCodec):
        return codec.encoder(spec).encode(tensor, key=True)
    return codec.encode(tensor, spec)
