"""A small convolutional encoder with a feature pyramid: saom-tiny's, and in the place of the ViT in a small SAM.

Needs torch and timm.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn

DIM, FINE_DIM = 128, 64
"""Channels of the pyramid at strides 8 and 16, and at stride 4."""


class SeparableConv(nn.Module):
    """Depthwise 5x5 and pointwise convolution with a residual."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(dim, dim, 5, padding=2, groups=dim, bias=False),
            nn.BatchNorm2d(dim),
            nn.Conv2d(dim, dim, 1, bias=False),
            nn.BatchNorm2d(dim),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) -> (B, D, h, w)."""
        return x + self.body(x)


class FeaturePyramid(nn.Module):
    """Features at strides 4, 8 and 16; a subclass calls `add_pyramid` when it makes its layers."""

    def add_pyramid(self, backbone: str, channels: int, dim: int = DIM, fine_dim: int = FINE_DIM) -> None:
        """Make the layers.

        Args:
            backbone: timm's name of a network with features at strides 4, 8, 16 and 32.
            channels: of the input.
            dim: channels of the features at strides 8 and 16.
            fine_dim: at stride 4.
        """
        import timm  # a ViT does without it

        self.encoder = timm.create_model(backbone, pretrained=False, features_only=True, in_chans=channels)
        c4, c8, c16, c32 = [info["num_chs"] for info in self.encoder.feature_info.info[-4:]]
        self.lateral32, self.lateral16 = nn.Conv2d(c32, dim, 1), nn.Conv2d(c16, dim, 1)
        self.lateral8, self.lateral4 = nn.Conv2d(c8, dim, 1), nn.Conv2d(c4, fine_dim, 1)
        self.smooth16, self.smooth8 = SeparableConv(dim), SeparableConv(dim)
        self.to_fine = nn.Conv2d(dim, fine_dim, 1)
        self.smooth4 = nn.Sequential(SeparableConv(fine_dim), SeparableConv(fine_dim))

    def levels(self, x: Tensor, beside: Sequence[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Features at strides 4, 8 and 16.

        Args:
            x: (B, channels, H, W), both sides divisible by 32.
            beside: features of another encoder, added to the laterals at strides 4, 8, 16 and 32; None: nothing is.
        """
        x4, x8, x16, x32 = self.encoder(x)[-4:]
        laterals = [self.lateral4(x4), self.lateral8(x8), self.lateral16(x16), self.lateral32(x32)]
        if beside is not None:
            laterals = [own + other for own, other in zip(laterals, beside, strict=True)]
        p16 = self.smooth16(laterals[2] + _upsample2(laterals[3]))
        p8 = self.smooth8(laterals[1] + _upsample2(p16))
        return self.smooth4(laterals[0] + _upsample2(self.to_fine(p8))), p8, p16


class PyramidEncoder(FeaturePyramid):
    """An image encoder of the SAM family that is no ViT, as MobileSAM and RepViT-SAM have one.

    Every token of the embedding holds what all levels of the pyramid have at its place.

    Args:
        backbone: timm's name.
        img_size: side of the input.
        out_chans: channels of the embedding.
    """

    def __init__(self, backbone: str, img_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = img_size
        self.add_pyramid(backbone, channels=3)
        self.neck = nn.Sequential(
            nn.Conv2d(FINE_DIM * 16 + DIM * 4 + DIM, out_chans, 1, bias=False),
            LayerNorm2d(out_chans),
            nn.Conv2d(out_chans, out_chans, 3, padding=1, bias=False),
            LayerNorm2d(out_chans),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Normalised pixels (B, 3, S, S) -> embedding (B, C, S / 16, S / 16)."""
        p4, p8, p16 = self.levels(x)
        return self.neck(torch.cat([F.pixel_unshuffle(p4, 4), F.pixel_unshuffle(p8, 2), p16], dim=1))

    def train(self, mode: bool = True) -> PyramidEncoder:
        """Batch norms keep the statistics that they begin with: a step sees few pictures, much alike."""
        super().train(False)
        return self


def _upsample2(x: Tensor) -> Tensor:
    """Nearest-neighbour upsampling by two; the convolution behind it smooths."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
