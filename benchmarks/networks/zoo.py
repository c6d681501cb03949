# Copyright 2026 The neurosurgeon_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""
Networks that people use, with random weights: backbones of timm, detectors, and segmentation networks.

Each is a factory of this module, named like the network, with an underscore in place of each other sign:
``benchmarks.networks.zoo:yolo11n``. The packages are those of tools/requirements/networks.txt.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from neurosurgeon_ros.models import Detections, Letterbox

Made = tuple[Any, ...]

BACKBONES = (
    *("resnet18", "resnet50", "resnext50_32x4d", "seresnet50", "res2net50_26w_4s", "regnety_008", "densenet121"),
    *("vgg11_bn", "mobilenetv2_100", "mobilenetv3_large_100", "mobilenetv4_conv_small", "efficientnet_b0"),
    *("efficientnetv2_rw_t", "ghostnetv2_100", "repvit_m0_9", "fastvit_t8", "mobileone_s0", "convnext_atto"),
    *("convnextv2_atto", "inception_next_tiny", "vit_tiny_patch16_224", "deit3_small_patch16_224"),
    *("vit_small_patch14_dinov2", "swin_tiny_patch4_window7_224", "swinv2_cr_tiny_ns_224", "maxvit_nano_rw_256"),
    *("coatnet_0_rw_224", "efficientformerv2_s0", "edgenext_x_small", "poolformer_s12", "mixer_b16_224", "hrnet_w18"),
    *("dla34", "xcit_tiny_12_p8_224"),
)
YOLOS = ("yolov5n", "yolov8n", "yolov9t", "yolov10n", "yolo11n", "yolo12n", "yolo26n", "yolo11n_seg", "rtdetr_l")
TRANSFORMERS = ("detr", "yolos", "rt_detr_v2", "d_fine")
SEGMENTERS = ("unet_resnet18", "fpn_mobilenet", "deeplabv3plus_resnet18", "segformer_mit_b0", "lraspp_mobilenetv3")

#: Size of images of backbones that take any, of detectors, and of segmentation networks, in pixels.
SIDE, DETECTOR_SIDE, SEGMENTER_SIDE = 224, 320, 256


def __getattr__(name: str) -> Callable[[], Made]:
    kinds = ((BACKBONES, _backbone), (YOLOS, _yolo), (TRANSFORMERS, _transformer), (SEGMENTERS, _segmenter))
    for names, make in kinds:
        if name in names:
            return functools.partial(make, name)
    raise AttributeError(name)


def _define_missing_operators() -> None:
    """Let torchvision be imported beside a torch that it was not built for; its own operators then do not run."""
    boxes = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in ("nms", "qnms"):
            torch.library.define(f"torchvision::{name}", boxes)


def _backbone(name: str) -> Made:
    _define_missing_operators()
    import timm

    torch.manual_seed(0)
    network = timm.create_model(name)
    side = network.pretrained_cfg.get("input_size", (3, SIDE, SIDE))[1]
    return network, torch.rand(1, 3, side, side)


def _yolo(name: str) -> Made:
    _define_missing_operators()
    from ultralytics.nn import tasks

    torch.manual_seed(0)
    kind = tasks.RTDETRDetectionModel if "rtdetr" in name else tasks.DetectionModel
    kind = tasks.SegmentationModel if name.endswith("_seg") else kind
    network = kind(f"{name.replace('_', '-')}.yaml", verbose=False).eval()
    for module in network.modules():
        if hasattr(module, "export"):
            module.export, module.format = True, "torchscript"
    return network, torch.rand(1, 3, DETECTOR_SIDE, DETECTOR_SIDE)


class _Outputs(nn.Module):
    """
    Take an image as a network of transformers does, and return the outputs that tell of objects.

    :param network: the network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return logits and boxes."""
        found = self.network(pixel_values=image)
        return {"logits": found.logits, "pred_boxes": found.pred_boxes}


def _transformer(name: str) -> Made:
    _define_missing_operators()
    import transformers

    torch.manual_seed(0)
    side = DETECTOR_SIDE
    if name == "yolos":
        config = transformers.YolosConfig(
            hidden_size=192, num_hidden_layers=12, num_attention_heads=3, intermediate_size=768, image_size=[side, side]
        )
        network = transformers.YolosForObjectDetection(config)
    elif name == "detr":
        backbone = transformers.ResNetConfig(depths=[2, 2, 2, 2], layer_type="basic", hidden_sizes=[64, 128, 256, 512])
        backbone.out_features = ["stage4"]
        config = transformers.DetrConfig(
            use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone
        )
        network = transformers.DetrForObjectDetection(config)
    elif name == "rt_detr_v2":
        network = transformers.RTDetrV2ForObjectDetection(transformers.RTDetrV2Config(anchor_image_size=[side, side]))
    else:
        network = transformers.DFineForObjectDetection(transformers.DFineConfig(anchor_image_size=[side, side]))
    return _Outputs(network.eval()), torch.rand(1, 3, side, side)


def _no_boxes(outputs: Any, fitted: Letterbox, *, confidence: float, iou: float) -> Detections:
    """Return no boxes, because a mask for each class has none."""
    return Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, dtype=np.int64))


_no_boxes.labels = ("mask",)  # type: ignore[attr-defined]


def _segmenter(name: str) -> Made:
    _define_missing_operators()
    torch.manual_seed(0)
    if name == "lraspp_mobilenetv3":
        from torchvision.models.segmentation import lraspp_mobilenet_v3_large

        network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)
    else:
        import segmentation_models_pytorch as smp

        kinds = {
            "unet_resnet18": (smp.Unet, "resnet18"),
            "fpn_mobilenet": (smp.FPN, "mobilenet_v2"),
            "deeplabv3plus_resnet18": (smp.DeepLabV3Plus, "resnet18"),
            "segformer_mit_b0": (smp.Segformer, "mit_b0"),
        }
        kind, encoder = kinds[name]
        network = kind(encoder, encoder_weights=None, classes=21)
    return network.eval(), torch.rand(1, 3, SEGMENTER_SIDE, SEGMENTER_SIDE), _no_boxes
