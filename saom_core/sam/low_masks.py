"""What is known of masks by their low-resolution logits alone, before a single pixel of the camera's image is made.

A checkpoint in torch and the file that is exported from it drop the same masks, because both measure them here. A logit
stands for 4 x 4 pixels of the network's input. An edge lies where the logits, interpolated from one to the next, cross
zero, so the boxes are those of the enlarged masks to a fraction of a pixel. A picture that does not fill the input lies
at its top left; what the network draws on the padding beside it belongs to no mask.

Everything here can be exported to ONNX from inside a loop, where tensors cannot be indexed or made of Python numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

LOGIT_PX = 4
"""Pixels of the input, along each axis, that one logit of SAM's masks stands for."""

STABILITY_OFFSET = 1.0
"""The value that segment-anything's calculate_stability_score has."""

MOST_BOX_IOU = 0.8003
"""Masks whose boxes agree more than this are one answer, whatever `nms_iou` says.

No ratio of small whole numbers, which boxes of whole mask pixels have: rounding would decide at 4/5.
"""

_OUTSIDE = -100.0
"""Logit of what is no part of the picture."""


def on_picture(logits: Tensor, picture_wh: Tensor) -> Tensor:
    """Mask logits (..., h, w) that are far below zero where no pixel of the picture depends on them.

    Args:
        logits: of masks that cover the network's input.
        picture_wh: (2,) float32 width and height of the picture in pixels of the input.
    """
    columns = _used(logits.shape[-1], picture_wh[0])
    rows = _used(logits.shape[-2], picture_wh[1])
    return torch.where(rows[:, None] & columns[None, :], logits, _OUTSIDE)


def stability_score(logits: Tensor) -> Tensor:
    """IoU of each mask cut at +offset and at -offset, (N, h, w) -> (N,); 0 for an empty mask."""
    strict = (logits > STABILITY_OFFSET).float().sum((1, 2))
    loose = (logits > -STABILITY_OFFSET).float().sum((1, 2))
    return strict / loose.clamp(min=1.0)


def boxes_px(logits: Tensor, picture_wh: Tensor) -> Tensor:
    """Boxes (N, 4) xyxy of masks (N, h, w), in pixels of the input; an empty mask has the box 0, 0, 0, 0."""
    inside = logits > 0
    left, right = _span(logits, inside.any(1), picture_wh[0])
    top, bottom = _span(logits.mT, inside.any(2), picture_wh[1])
    return torch.stack([left, top, right, bottom], dim=1)


def _used(count: int, picture_px: Tensor) -> Tensor:
    """Which of the logits along an axis a pixel of the picture depends on: those on it, and the first one beyond."""
    # the middle of the last pixel lies at picture_px - 0.5; it leans on the logits at either side of its place
    return torch.arange(count, device=picture_px.device) * LOGIT_PX <= picture_px + (LOGIT_PX - 1) / 2


def _span(logits: Tensor, occupied: Tensor, picture_px: Tensor) -> tuple[Tensor, Tensor]:
    """Where masks (N, h, w) begin and end along their last axis, in pixels: (N,) each.

    Args:
        logits: of the masks.
        occupied: (N, w) the columns in which a mask has pixels.
        picture_px: () the picture's extent along the axis.
    """
    count = logits.shape[2]
    index = torch.arange(count, device=logits.device)
    first = torch.where(occupied, index, count - 1).amin(1)
    last = torch.where(occupied, index, 0).amax(1)
    # The outermost columns and their neighbours, taken by products with unit vectors.
    wanted = torch.stack([first, first - 1, last, last + 1], dim=1).clamp(0, count - 1)  # (N, 4)
    units = (index[None, :, None] == wanted[:, None, :]).to(logits.dtype)  # (N, w, 4)
    own_first, before, own_last, after = (logits @ units).unbind(2)  # (N, h)
    begin = (first - _reach(own_first, before)).clamp(min=-0.5)
    end = (last + _reach(own_last, after)).clamp(max=count - 0.5)
    edges = ((torch.stack([begin, end]) + 0.5) * LOGIT_PX).clamp(min=0.0)
    edges = torch.minimum(edges, picture_px) * occupied.any(1).float()
    return edges[0], edges[1]


def _reach(own: Tensor, beyond: Tensor) -> Tensor:
    """How far masks reach from an outermost column (N, h) to the one beyond it, in columns: (N,)."""
    inside = own.clamp(min=0.0)
    return (inside / (inside - beyond.clamp(max=0.0)).clamp(min=1e-6)).amax(1)
