"""Features at strides 4, 8 and 16, which the shared-keys decoder takes, and what saom-tiny sees of RGB and depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE_MEAN = (123.7, 116.3, 103.5)
IMAGE_STD = (58.4, 57.1, 57.4)
RGB_CHANNELS, DEPTH_CHANNELS = 3, 3


@dataclass
class Pyramid:
    """Features of B images."""

    fine: Tensor  # (B, M, H/4, W/4)
    middle: Tensor  # (B, D, H/8, W/8)
    coarse: Tensor  # (B, D, H/16, W/16)
    extent: tuple[float, float] = (1.0, 1.0)
    """Width and height of the image in the units of the position code; below 1 where it fills a part of the input."""


def input_channels(image: Tensor, depth: Tensor) -> Tensor:
    """Six channels of an encoder that sees RGB and depth: `rgb_channels`, then `depth_channels`.

    Args:
        image: (B, H, W, 3), 0..255.
        depth: (B, H, W) metres, 0 = invalid.

    Returns:
        (B, 6, H, W) float32.
    """
    return torch.cat([rgb_channels(image), depth_channels(depth)], dim=1)


def rgb_channels(image: Tensor) -> Tensor:
    """Normalised RGB: (B, H, W, 3), 0..255 -> (B, 3, H, W) float32."""
    gain = 1.0 / torch.tensor(IMAGE_STD, device=image.device).view(3, 1, 1)
    mean = torch.tensor(IMAGE_MEAN, device=image.device).view(3, 1, 1)
    # channels first: with channels last it takes as long as a stage of the encoder
    return image.permute(0, 3, 1, 2).float() * gain - mean * gain


def depth_channels(depth: Tensor) -> Tensor:
    """Relative inverse depth, its local relief, validity: (B, H, W) metres, 0 = invalid -> (B, 3, H, W) float32.

    Inverse depth is affine in the pixel coordinates on a plane, so tables and floors become ramps and what stands on
    them stands out; dividing by its mean removes the scale. The relief is its difference from the local mean: the
    small step of a book on a table. Invalid pixels are 0 in all three.
    """
    depth = depth.unsqueeze(1)
    valid = (depth > 0.0).float()
    inverse = valid / depth.clamp(min=0.05)
    mean_inverse = inverse.sum(dim=(2, 3), keepdim=True) / valid.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)
    relative = inverse / mean_inverse.clamp(min=1e-3)
    local = local_mean(relative) / local_mean(valid).clamp(min=1e-3)
    relief = (relative - local) * valid
    return torch.cat([(relative - 1.0) * valid, (relief * 10.0).clamp(-3.0, 3.0), valid], dim=1)


def local_mean(x: Tensor) -> Tensor:
    """Mean about each pixel over some 40x40 pixels (zeros outside), (B, 1, H, W); H and W divisible by 8.

    8x8 blocks, 5x5 of them averaged, interpolated: exact on ramps, and far cheaper than a sliding window.
    """
    blocks = F.avg_pool2d(x, 8)
    smooth = F.avg_pool2d(blocks, 5, stride=1, padding=2)
    return F.interpolate(smooth, size=x.shape[2:], mode="bilinear", align_corners=False)


class DepthBranch(nn.Module):
    """A small network on depth, whose features are added to the laterals of the pyramid.

    An encoder that learned on photographs knows colour alone. Depth in further input channels of it learns next to
    nothing at the low learning rate that keeps what the encoder knows; here depth has layers, and a rate, of its own.

    Args:
        width: channels at stride 4; twice as many at stride 8, four times as many at strides 16 and 32.
        dim: channels of the laterals at strides 8, 16 and 32.
        fine_dim: channels of the lateral at stride 4.
    """

    def __init__(self, width: int, dim: int, fine_dim: int) -> None:
        super().__init__()
        self.stage4 = nn.Sequential(*_convolution(DEPTH_CHANNELS, width, 4, 4), *_convolution(width, width, 3, 1))
        self.stage8 = nn.Sequential(*_convolution(width, 2 * width, 3, 2))
        self.stage16 = nn.Sequential(*_convolution(2 * width, 4 * width, 3, 2))
        self.stage32 = nn.Sequential(*_convolution(4 * width, 4 * width, 3, 2))
        self.lateral4, self.lateral8 = nn.Conv2d(width, fine_dim, 1), nn.Conv2d(2 * width, dim, 1)
        self.lateral16, self.lateral32 = nn.Conv2d(4 * width, dim, 1), nn.Conv2d(4 * width, dim, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, 3, H, W) of `depth_channels`, both sides divisible by 32: what is added at strides 4, 8, 16 and 32."""
        x4 = self.stage4(x)
        x8 = self.stage8(x4)
        x16 = self.stage16(x8)
        x32 = self.stage32(x16)
        return self.lateral4(x4), self.lateral8(x8), self.lateral16(x16), self.lateral32(x32)


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int) -> list[nn.Module]:
    padding = (kernel - 1) // 2 if stride < kernel else 0  # whole patches need none
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]
