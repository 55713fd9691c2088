"""What follows from the masks of an item: boxes, and the classes of pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .augment import IGNORED
from .embedded_pictures import NO_CLASS


def mask_edges(masks: Tensor) -> Tensor:
    """Boxes (T, 4) xyxy, 0..1, of masks (T, h, w) of which every one covers something."""
    edges = []
    for size, covered in ((masks.shape[2], (masks > 0).any(1)), (masks.shape[1], (masks > 0).any(2))):
        index = torch.arange(size, device=masks.device)
        first = torch.where(covered, index, size).amin(1)
        last = torch.where(covered, index + 1, 0).amax(1)
        edges.append(torch.stack([first, last]) / size)
    return torch.stack([edges[0][0], edges[1][0], edges[0][1], edges[1][1]], dim=1)


def semantic_labels(masks: Tensor, class_ids: Tensor) -> Tensor:
    """Class of each pixel at half the masks' resolution that one object covers by more than half, else IGNORED.

    Where objects overlap, the pixel has the class of the smallest one, which lies in front.

    Args:
        masks: (T, h, w) share of each mask pixel that the object covers.
        class_ids: (T,), NO_CLASS where the model does not have it.

    Returns:
        (h/2, w/2) int64.
    """
    if not len(masks):
        return torch.full((masks.shape[1] // 2, masks.shape[2] // 2), IGNORED, device=masks.device)
    smallest_first = masks.sum((1, 2)).argsort(stable=True)
    # where shares are equal, max takes the first one, which is the smallest object
    covered, which = F.avg_pool2d(masks[smallest_first, None], 2)[:, 0].max(0)
    labels = torch.where(class_ids == NO_CLASS, IGNORED, class_ids)[smallest_first][which]
    return torch.where(covered > 0.5, labels, IGNORED)
