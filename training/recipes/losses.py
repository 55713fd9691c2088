"""Losses that recipes share: of masks (focal, dice), of their predicted scores, of boxes, of the classes of pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from ..assign import BACKGROUND
from ..samples.augment import IGNORED

AS_GOOD = 0.9
"""A mask whose IoU is this share of another's shows the same object as well."""


def mask_terms(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Focal and dice loss and true IoU of each mask, (P, h, w) -> (P,) each. No gradient goes through the IoU."""
    return *mask_losses(logits, truth), mask_iou(logits.detach() > 0, truth)


@functools.cache
def compiled_mask_terms() -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]:
    """`mask_terms`, compiled at the first call; torch loads its compiler for two seconds even if nothing is compiled.

    Elementwise work on masks is a third of a training step on a CPU; compiled, it takes a fifteenth of the time.
    """
    return torch.compile(mask_terms, dynamic=True)


def mask_losses(logits: Tensor, truth: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> tuple[Tensor, Tensor]:
    """Focal and dice loss of each mask.

    Args:
        logits: (..., h, w).
        truth: the same, or broadcast to it; 0..1.
        alpha: weight of the object's pixels in the focal loss.
        gamma: how little easy pixels count in it.

    Returns:
        Two of (...): focal, mean over the mask's area; dice.
    """
    wanted = truth.expand_as(logits)
    focal = sigmoid_focal_loss(logits, wanted, alpha, gamma).mean((-2, -1))
    probability = logits.sigmoid()
    overlap, total = (probability * wanted).sum((-2, -1)), (probability + wanted).sum((-2, -1))
    return focal, 1 - (2 * overlap + 1) / (total + 1)


def box_losses(boxes: Tensor, truth: Tensor) -> Tensor:
    """Sum over (P, 4) of L1 (mean of the corners, times 5 as in DETR) and generalised IoU."""
    l1 = 5 * F.l1_loss(boxes, truth, reduction="sum") / 4
    return l1 + generalized_box_iou_loss(boxes, truth, reduction="sum")


def semantic_losses(logits: Tensor, truth: Tensor, class_weights: Tensor) -> tuple[Tensor, int]:
    """Weighted cross-entropy of pixels.

    Args:
        logits: (B, C + 1, h, w), background last.
        truth: (B, h, w) class, BACKGROUND, or IGNORED.
        class_weights: (C + 1,); see `class_weights`.

    Returns:
        The sum over the pixels that are not IGNORED, and their number.
    """
    last = torch.where(truth == BACKGROUND, logits.shape[1] - 1, truth)
    losses = F.cross_entropy(logits, last, class_weights, ignore_index=IGNORED, reduction="sum")
    return losses, int((truth != IGNORED).sum())


def mask_iou(masks: Tensor, truth: Tensor) -> Tensor:
    """IoU of bool masks (..., h, w) with what objects cover, broadcast: (...); 0 where both are empty.

    A pixel is an object's where it covers more than half of it, as a mask's is where its logit is above 0: so the best
    mask that can be drawn of a small object has an IoU of 1, not what its edge leaves of that. An object that covers no
    pixel by half counts by its shares.

    Args:
        masks: bool.
        truth: share of each pixel that the object covers, 0..1.
    """
    covered = truth > 0.5
    has_pixels = covered.flatten(-2).any(-1)[..., None, None]
    truth = torch.where(has_pixels, covered.to(truth.dtype), truth)
    overlap = (masks * truth).sum((-2, -1))
    union = masks.sum((-2, -1)) + truth.sum((-2, -1)) - overlap
    return overlap / union.clamp(min=1e-6)


def of_chosen(values: Tensor, chosen: Tensor) -> Tensor:
    """The chosen one (P,) of the M values of each prompt (P, M)."""
    return values.gather(1, chosen[:, None])[:, 0]


def wanted_scores(iou: Tensor, chosen: Tensor, suppress_duplicates: bool) -> Tensor:
    """What the IoU head is to say of each mask, (P, M): the IoU that the mask has.

    Args:
        iou: (P, M) of each mask with the prompt's object.
        chosen: (P,) which of a prompt's masks learns the object.
        suppress_duplicates: 0 for masks that are worse than that one, since in everything mode a prompt has one object
            to give. Masks that are as good keep their score: box NMS removes them, and which of equally good masks
            learns is chance, so without this all of them would learn to score a part of their IoU.
    """
    as_good = iou >= AS_GOOD * iou.gather(1, chosen[:, None])
    return iou * as_good if suppress_duplicates else iou
