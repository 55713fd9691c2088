"""saom-tiny: a small promptable whole-object network for RGB and depth, with the shared-keys decoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from saom_core.feature_pyramid import FeaturePyramid

from .encoder import DEPTH_CHANNELS, RGB_CHANNELS, DepthBranch, Pyramid, depth_channels, input_channels, rgb_channels
from .mask_scores import MaskIouHead
from .object_head import ObjectHead, object_views
from .prompt_decoder import DecoderConfig, ImageFeatures, SharedKeysNetwork


@dataclass(frozen=True)
class TinyConfig(DecoderConfig):
    """Shape of the network; stored in checkpoints."""

    encoder: str = "regnetx_004"  # any timm model with features at strides 4, 8, 16, 32
    object_width: int = 24  # channels of the object head's first layer
    depth_width: int = 0  # channels of the depth branch at stride 4; 0: depth goes into the encoder, beside RGB
    mask_iou_width: int = 0  # of the hidden layer of the head that sees drawn masks (mask_scores.py); 0: no such head


class SaomTiny(FeaturePyramid, SharedKeysNetwork):
    """A small convolutional encoder with a feature pyramid, and the decoder."""

    def __init__(self, config: TinyConfig) -> None:
        super().__init__()
        self.config = config
        channels = RGB_CHANNELS if config.depth_width else RGB_CHANNELS + DEPTH_CHANNELS
        self.add_pyramid(config.encoder, channels, config.dim, config.mask_dim)
        if config.depth_width:
            self.depth_branch = DepthBranch(config.depth_width, config.dim, config.mask_dim)
        judge = MaskIouHead(2 * config.dim, config.mask_iou_width) if config.mask_iou_width else None
        self.add_decoder(config, ObjectHead(2 * config.dim, config.object_width), judge)

    def pyramid(self, image: Tensor, depth: Tensor | None) -> Pyramid:
        """See `SharedKeysNetwork.pyramid`; H and W divisible by 32."""
        if depth is None:
            depth = torch.zeros(image.shape[:3], device=image.device)
        dtype = self.lateral16.weight.dtype
        if self.config.depth_width:
            beside = self.depth_branch(depth_channels(depth).to(dtype))
            return Pyramid(*self.levels(rgb_channels(image).to(dtype), beside))
        return Pyramid(*self.levels(input_channels(image, depth).to(dtype)))

    def embed(
        self, image: Tensor, depth: Tensor | None, mask_logits: Tensor, features: ImageFeatures | None = None
    ) -> Tensor:
        """See `SharedKeysNetwork.embed`: of the picture about the masks, at the objects' own scale."""
        return self.object_head(object_views(image, depth, mask_logits))


def with_classes(network: SaomTiny, class_names: tuple[str, ...]) -> SaomTiny:
    """A network for other classes: everything is kept but the layers that name classes, which start anew."""
    config = dataclasses.replace(network.config, class_names=class_names)
    return _changed(network, config, anew=("class_head.", "semantic_head."))


def with_object_head(network: SaomTiny, width: int) -> SaomTiny:
    """A network with an object head of another width: it and the layer that names its embeddings start anew."""
    config = dataclasses.replace(network.config, object_width=width)
    return _changed(network, config, anew=("object_head.", "class_head."))


def with_mask_iou_head(network: SaomTiny, width: int) -> SaomTiny:
    """A network with a new head that sees drawn masks, its hidden layer so wide; 0: without one."""
    return _changed(network, dataclasses.replace(network.config, mask_iou_width=width), anew=("mask_iou_head.",))


def _changed(network: SaomTiny, config: TinyConfig, anew: tuple[str, ...]) -> SaomTiny:
    """A network of another shape with the weights of this one, but for the layers that start anew."""
    changed = SaomTiny(config).train(network.training)
    kept = {name: value for name, value in network.state_dict().items() if not name.startswith(anew)}
    changed.load_state_dict({**changed.state_dict(), **kept})
    return changed


def batch_norm_pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Names of the convolutions that a batch norm follows, and of these batch norms; each in its module's order."""
    pairs, before = [], ""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            before = name
        elif isinstance(module, nn.BatchNorm2d):
            pairs.append((before, name))
    return pairs
