"""Features at strides 4, 8 and 16, which the shared-keys decoder takes, and what saom-tiny sees of RGB and depth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

IMAGE_MEAN = (123.7, 116.3, 103.5)
IMAGE_STD = (58.4, 57.1, 57.4)


@dataclass
class Pyramid:
    """Features of B images."""

    fine: Tensor  # (B, M, H/4, W/4)
    middle: Tensor  # (B, D, H/8, W/8)
    coarse: Tensor  # (B, D, H/16, W/16)
    extent: tuple[float, float] = (1.0, 1.0)
    """Width and height of the image in the units of the position code; below 1 where it fills a part of the input."""


def input_channels(image: Tensor, depth: Tensor) -> Tensor:
    """Six channels of the encoder: normalised RGB, relative inverse depth, its local relief, validity.

    Inverse depth is affine in the pixel coordinates on a plane, so tables and floors become ramps and what stands on
    them stands out; dividing by its mean removes the scale. The relief is its difference from the local mean: the
    small step of a book on a table. Invalid pixels are 0 in all three.

    Args:
        image: (B, H, W, 3), 0..255.
        depth: (B, H, W) metres, 0 = invalid.

    Returns:
        (B, 6, H, W) float32.
    """
    gain = 1.0 / torch.tensor(IMAGE_STD, device=image.device).view(3, 1, 1)
    mean = torch.tensor(IMAGE_MEAN, device=image.device).view(3, 1, 1)
    # channels first: with channels last it takes as long as a stage of the encoder
    rgb = image.permute(0, 3, 1, 2).float() * gain - mean * gain
    depth = depth.unsqueeze(1)
    valid = (depth > 0.0).float()
    inverse = valid / depth.clamp(min=0.05)
    mean_inverse = inverse.sum(dim=(2, 3), keepdim=True) / valid.sum(dim=(2, 3), keepdim=True).clamp(min=1.0)
    relative = inverse / mean_inverse.clamp(min=1e-3)
    local = local_mean(relative) / local_mean(valid).clamp(min=1e-3)
    relief = (relative - local) * valid
    return torch.cat([rgb, (relative - 1.0) * valid, (relief * 10.0).clamp(-3.0, 3.0), valid], dim=1)


def local_mean(x: Tensor) -> Tensor:
    """Mean about each pixel over some 40x40 pixels (zeros outside), (B, 1, H, W); H and W divisible by 8.

    8x8 blocks, 5x5 of them averaged, interpolated: exact on ramps, and far cheaper than a sliding window.
    """
    blocks = F.avg_pool2d(x, 8)
    smooth = F.avg_pool2d(blocks, 5, stride=1, padding=2)
    return F.interpolate(smooth, size=x.shape[2:], mode="bilinear", align_corners=False)
