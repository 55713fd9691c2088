"""The fast head: the shared-keys decoder on the frozen image encoder of a SAM checkpoint.

SAM's two-way decoder (arXiv 2304.02643, appendix A) writes on 64 x 64 image tokens for every prompt. Here the embedding
is upscaled once per image, to strides 8 and 4; a prompt then costs some attention layers and one dot product.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from segment_anything.modeling import ImageEncoderViT
from torch import Tensor, nn

from saom_core.feature_pyramid import PyramidEncoder
from saom_core.sam.encoder import encode
from saom_core.sam.network import SamModel, SamSizes

from .encoder import IMAGE_MEAN, IMAGE_STD, Pyramid
from .prompt_decoder import DecoderConfig, ImageFeatures, SharedKeysNetwork, mlp

ENCODER = "image_encoder."
"""What the names of the frozen encoder's parameters begin with; a checkpoint keeps them in a file of their own."""


@dataclass(frozen=True)
class FastConfig(DecoderConfig):
    """Shape of the network; stored in checkpoints. Beside a ViT, a wider decoder than saom-tiny's costs little."""

    dim: int = 256
    heads: int = 8
    layers: int = 3
    sam: SamSizes = field(kw_only=True)  # of the network that the encoder belongs to
    image_mean: tuple[float, ...] = IMAGE_MEAN  # of RGB 0..255, as the encoder was trained
    image_std: tuple[float, ...] = IMAGE_STD

    @staticmethod
    def from_dict(shape: dict[str, Any]) -> FastConfig:
        """From the plain JSON types of `to_dict`."""
        sam = SamSizes(**{**shape["sam"], "global_blocks": tuple(shape["sam"]["global_blocks"])})
        tuples = {name: tuple(shape[name]) for name in ("class_names", "image_mean", "image_std")}
        return FastConfig(**{**shape, **tuples, "sam": sam})


class SamFast(SharedKeysNetwork):
    """A frozen SAM encoder, learned upscaling of its embedding, and the shared-keys decoder.

    Args:
        config: shape.
        image_encoder: the frozen encoder; None in training, which reads kept embeddings.
    """

    uses_depth = False

    def __init__(self, config: FastConfig, image_encoder: ImageEncoderViT | PyramidEncoder | None = None) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = image_encoder
        if image_encoder is not None:
            image_encoder.requires_grad_(False)
        dim, mask_dim = config.dim, config.mask_dim
        self.lateral16 = nn.Conv2d(config.sam.dim, dim, 1)
        self.up8 = nn.ConvTranspose2d(config.sam.dim, dim, 2, 2)
        self.up4 = nn.ConvTranspose2d(dim, mask_dim, 2, 2)
        self.smooth16, self.smooth8 = NormedConv(dim), NormedConv(dim)
        self.smooth4 = nn.Sequential(NormedConv(mask_dim), NormedConv(mask_dim))
        self.add_decoder(config, mlp(dim, 2 * dim, 2 * dim))

    def pyramid(self, image: Tensor, depth: Tensor | None = None) -> Pyramid:
        """See `SharedKeysNetwork.pyramid`; H and W divisible by 16, at most the encoder's size; without depth."""
        assert self.image_encoder is not None
        pixels = sam_pixels(image, self.config.image_mean, self.config.image_std, self.config.sam.image_size)
        pixels = pixels.to(self.lateral16.weight.dtype)
        embedding = torch.cat([encode(self.image_encoder, one[None], EXPORTED_SCORES) for one in pixels])
        return self.pyramid_of(used_tokens(embedding, (image.shape[1], image.shape[2]), self.config.sam))

    def pyramid_of(self, embedding: Tensor) -> Pyramid:
        """Features at strides 4, 8, 16 from the embedding (B, C, h, w), its padding left out."""
        p8 = self.smooth8(self.up8(embedding))
        p4 = self.smooth4(self.up4(p8))
        side = self.config.sam.image_size // self.config.sam.patch_size
        extent = (embedding.shape[3] / side, embedding.shape[2] / side)
        return Pyramid(p4, p8, self.smooth16(self.lateral16(embedding)), extent)

    def embed(
        self, image: Tensor, depth: Tensor | None, mask_logits: Tensor, features: ImageFeatures | None = None
    ) -> Tensor:
        """See `SharedKeysNetwork.embed`."""
        assert features is not None
        return self.embed_masks(features, mask_logits)

    def embed_masks(self, features: ImageFeatures, mask_logits: Tensor) -> Tensor:
        """Object embeddings (N, E): the means of the image's features under the masks (N, H/4, W/4) of one image.

        The encoder is large, and its features tell what things are; no gradient goes through the masks.
        """
        weights = F.avg_pool2d(mask_logits.detach().float().sigmoid()[:, None], 2).flatten(1)  # (N, H/8 * W/8)
        weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-3)
        pooled = weights @ features.middle[0].flatten(1).T.float()
        return self.object_head(pooled.to(self.class_head.weight.dtype))


class NormedConv(nn.Module):
    """Depthwise 5x5 and pointwise convolution with a residual; normalised per pixel.

    Batches are small and pictures of different size are run one by one: a batch norm would have little to go by.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.pointwise = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) -> (B, D, h, w)."""
        pixels = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + F.gelu(self.pointwise(pixels)).permute(0, 3, 1, 2)


EXPORTED_SCORES = 64 * 2**20
"""Bytes of attention scores at once: of one head of a full-size network. Smaller pieces make an exported file large."""


def sam_pixels(image: Tensor, mean: tuple[float, ...], std: tuple[float, ...], size: int) -> Tensor:
    """(B, H, W, 3), 0..255 -> (B, 3, size, size) float32, normalised, padded with zeros at the right and below."""
    pixels = (image.float() - image.new_tensor(mean, dtype=torch.float32)) / image.new_tensor(std, dtype=torch.float32)
    return F.pad(pixels.permute(0, 3, 1, 2), (0, size - image.shape[2], 0, size - image.shape[1]))


def used_tokens(embedding: Tensor, input_hw: tuple[int, int], sizes: SamSizes) -> Tensor:
    """The part of an embedding (B, C, S, S) that an input of that size covers."""
    height, width = (-(-side // sizes.patch_size) for side in input_hw)
    return embedding[:, :, :height, :width]


def fast_on(model: SamModel, class_names: tuple[str, ...], **shape: Any) -> SamFast:
    """A new fast head on a checkpoint's encoder, which it shares.

    Args:
        model: of the SAM family.
        class_names: that are told apart.
        shape: fields of `DecoderConfig` that differ from the defaults.
    """
    mean, std = (tuple(v.flatten().tolist()) for v in (model.sam.pixel_mean, model.sam.pixel_std))
    config = FastConfig(class_names, sam=model.sizes, image_mean=mean, image_std=std)
    return SamFast(dataclasses.replace(config, **shape), model.sam.image_encoder)
