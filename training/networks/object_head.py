"""What an object is: an embedding of the picture about its mask, seen at the object's own scale.

Names are told by small things (a handle, a spout, a print) and by size, and the features that draw masks keep neither.
So the picture itself is resampled about each mask to a small square, with relative depth and the mask, and convolved;
how large the object looks, and (with depth) is, comes beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CROP = 40
"""Edge of the square, pixels."""
WIDEN = 1.25
"""The square covers the mask's box widened by this: what stands beside an object tells of it, too."""
CHANNELS, GEOMETRY = 5, 6
_LAST = 128  # channels of the last convolution
RELIEF_GAIN, RELIEF_LIMIT = 5.0, 1.5
COARSE = 4
"""Boxes of more than twice CROP are sampled from a picture that is this many times smaller, or they would alias."""


@dataclass
class ObjectViews:
    """What the object head sees of N objects."""

    crops: Tensor  # (N, CHANNELS, CROP, CROP): RGB 0..1, relief (see `relief`), mask 0..1
    geometry: Tensor  # (N, GEOMETRY); see `geometry`


class ObjectHead(nn.Module):
    """Embeddings of objects: a small residual network; 33 million multiplications an object at a width of 40.

    Args:
        embedding: E.
        width: channels of the first layer; the others follow.
    """

    def __init__(self, embedding: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(CHANNELS, width, 2),
            *_convolution(width, 2 * width, 2),
            _Residual(2 * width),
            *_convolution(2 * width, 4 * width, 2),
            _Residual(4 * width),
            *_convolution(4 * width, _LAST, 2),
        )
        edge = -(-CROP // 16)
        self.out = nn.Sequential(nn.Linear(_LAST * edge * edge + _LAST + GEOMETRY, embedding), nn.ReLU(inplace=True))
        scale = torch.tensor([4.0, 4.0, 4.0, 2.0, 3.0]).view(-1, 1, 1)
        center = torch.tensor([0.45, 0.45, 0.45, 0.0, 0.5]).view(-1, 1, 1)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("center", center, persistent=False)

    def forward(self, views: ObjectViews) -> Tensor:
        """Embeddings (N, E), none negative."""
        dtype = self.out[0].weight.dtype
        x = self.layers(((views.crops - self.center) * self.scale).to(dtype))
        return self.out(torch.cat([x.flatten(1), x.mean(dim=(2, 3)), views.geometry.to(dtype)], dim=1))


def _convolution(channels_in: int, channels_out: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(channels, channels, 1), *_convolution(channels, channels, 1)[:2])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def object_views(image: Tensor, depth: Tensor | None, mask_logits: Tensor) -> ObjectViews:
    """What the head sees of the masks of one image.

    Args:
        image: (H, W, 3), 0..255; H and W divisible by 4.
        depth: (H, W) metres, 0 = invalid; None: none.
        mask_logits: (N, H/4, W/4).
    """
    height, width = mask_logits.shape[1:]
    edge = mask_logits.new_tensor([1 / width, 1 / height])
    loose = mask_boxes(mask_logits)  # wider than the mask by a mask pixel
    corner = torch.minimum(loose[:, :2] + edge, loose[:, 2:] - edge)
    boxes = torch.cat([corner, torch.maximum(loose[:, 2:] - edge, corner + edge)], dim=1)
    if depth is None:
        depth = image.new_zeros(image.shape[:2], dtype=torch.float32)
    valid = (depth > 0).float()
    inverse = valid / depth.clamp(min=0.05)
    picture = torch.cat([image.float().permute(2, 0, 1) / 255, inverse[None], valid[None]])[None]
    grid = _grid(boxes)  # (N, CROP, CROP, 2)
    fine, coarse = (_sample(level, grid) for level in (picture, F.avg_pool2d(picture, COARSE)))
    pixels = (boxes[:, 2:] - boxes[:, :2]) * boxes.new_tensor([image.shape[1], image.shape[0]])
    large = (pixels.amax(dim=1) > 2 * CROP)[:, None, None, None]
    sampled = torch.where(large, coarse, fine)
    mask = F.grid_sample(mask_logits.float().sigmoid()[:, None], grid, align_corners=False)
    inverse, valid = sampled[:, 3:4], sampled[:, 4:]
    inner = mask**4  # edges, where the background shows through, count little
    own = (inner * inverse).sum(dim=(1, 2, 3)) / (inner * valid).sum(dim=(1, 2, 3)).clamp(min=1e-3)
    share = (inner * valid).sum(dim=(1, 2, 3)) / inner.sum(dim=(1, 2, 3)).clamp(min=1e-3)
    nearness = torch.where(share > 0.05, own, torch.zeros_like(own))  # 1 / m, 0 = unknown
    at = inverse / valid.clamp(min=1e-3) * (valid > 0.5)
    return ObjectViews(
        torch.cat([sampled[:, :3], relief(at, nearness), mask], dim=1), geometry(boxes, nearness, boxes.new_zeros(()))
    )


def relief(inverse: Tensor, nearness: Tensor) -> Tensor:
    """How much nearer a pixel is than its object, relative, scaled and cut; 0 where either is unknown.

    Args:
        inverse: (N, 1, h, w) inverse depth of pixels, 1 / m, 0 = invalid.
        nearness: (N,) inverse depth of the objects, 0 = unknown.
    """
    nearness = nearness[:, None, None, None]
    known = (inverse > 0) & (nearness > 0)
    relative = (inverse / nearness.clamp(min=1e-3) - 1) * RELIEF_GAIN
    return relative.clamp(-RELIEF_LIMIT, RELIEF_LIMIT) * known


def geometry(boxes: Tensor, nearness: Tensor, noise: Tensor) -> Tensor:
    """Where an object is, how large it looks, and how large it is.

    Args:
        boxes: (N, 4) xyxy in 0..1.
        nearness: (N,) inverse depth, 1 / m, 0 = unknown.
        noise: () or (N,) added to the log of the distance; for training.

    Returns:
        (N, GEOMETRY): log of width and height as shares of the image; with depth the same times the distance in metres
        (proportional to its size in metres), else 0; whether there is depth; height in the image.
    """
    known = (nearness > 0).float()[:, None]
    distance = noise - nearness.clamp(min=1e-2).log()
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-3).log()
    middle = (boxes[:, 1:2] + boxes[:, 3:]) / 2
    return torch.cat([size, (size + distance[:, None]) * known, known, middle], dim=1)


def _grid(boxes: Tensor) -> Tensor:
    """Where the pixels of the squares lie: (N, 4) xyxy in 0..1 -> (N, CROP, CROP, 2) xy in -1..1."""
    center, size = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) * WIDEN
    steps = (torch.arange(CROP, device=boxes.device, dtype=torch.float32) + 0.5) / CROP - 0.5
    x, y = (center[:, axis, None] + size[:, axis, None] * steps for axis in (0, 1))  # (N, CROP)
    shape = (boxes.shape[0], CROP, CROP)
    return torch.stack([x[:, None, :].expand(shape), y[:, :, None].expand(shape)], dim=-1) * 2 - 1


def _sample(picture: Tensor, grid: Tensor) -> Tensor:
    """One picture (1, C, H, W) at N squares -> (N, C, CROP, CROP)."""
    sampled = F.grid_sample(picture, grid.reshape(1, -1, CROP, 2), align_corners=False)  # (1, C, N * CROP, CROP)
    return sampled[0].unflatten(1, (-1, CROP)).transpose(0, 1)


def mask_boxes(logits: Tensor) -> Tensor:
    """Boxes about masks (N, h, w), widened by a mask pixel for what interpolation adds: (N, 4) xyxy in 0..1.

    An empty mask has the empty box 0, 0, 0, 0: torchvision and onnxruntime agree on it in box suppression.
    """
    height, width = logits.shape[1:]
    edges = []
    # of the logits themselves: onnxruntime turns truth values into int64 to find the largest
    for size, occupied in ((width, logits.amax(1) > 0), (height, logits.amax(2) > 0)):  # (N, w), (N, h)
        index = torch.arange(size, dtype=torch.float32, device=logits.device)
        # plain numbers: a tensor made here could not be exported from inside a loop (training/networks/chunks.py)
        low = torch.where(occupied, index - 1, float(size)).min(1).values
        high = torch.where(occupied, index + 2, 0.0).max(1).values
        edges.append(torch.stack([torch.minimum(low, high), high]) / size)
    return torch.stack([edges[0][0], edges[1][0], edges[0][1], edges[1][1]], dim=1).clamp(0.0, 1.0)
