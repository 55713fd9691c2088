"""The loss of saom-tiny: mask (focal + dice), predicted quality, class, box; and what the SAM family shares of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from ..assign import BACKGROUND
from ..networks.prompt_decoder import ImageFeatures, PromptAnswers, SharedKeysNetwork

IGNORED = -100
"""Pixels whose class is not asked: torch's own number for it."""
BACKGROUND_WEIGHT = 0.2
"""Background pixels are many and easy."""
MAX_RARITY = 12.0
"""No class weighs more than this times the most frequent one."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term.

    SAM has focal : dice = 20 : 1 (arXiv 2304.02643, section 3); from nothing and with many small objects, dice wants
    more.
    """

    focal: float = 20.0
    dice: float = 3.0
    quality: float = 1.0
    semantic: float = 1.0
    box: float = 2.0


def batch_loss(
    network: SharedKeysNetwork,
    features: ImageFeatures,
    answers: PromptAnswers,
    targets: list[Tensor],
    masks: list[Tensor],
    boxes: list[Tensor],
    semantic: Tensor,
    class_weights: Tensor,
    weights: LossWeights,
    fused: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch of B images with N prompts each, and its terms.

    Args:
        network: makes the masks.
        features: of the B images.
        answers: of the B x N prompts.
        targets: per image (N,) row of the three lists below, or BACKGROUND.
        masks: per image (T, h, w) float, the share of each mask pixel that the object covers.
        boxes: per image (T, 4).
        semantic: (B, H/8, W/8) class of each pixel, BACKGROUND, or IGNORED.
        class_weights: (C + 1,) of the classes and of background; see `class_weights`.
        weights: of the terms.
        fused: compile the mask terms with torch.compile, which needs a C++ compiler and half a minute.
    """
    on_object = torch.stack(targets) != BACKGROUND  # (B, N)
    all_logits = network.masks(features, answers.mask_embeddings).float()  # (B, N, h, w)
    logits = all_logits[on_object]  # (P, h, w)
    truth = torch.cat([m[t[t != BACKGROUND]] for m, t in zip(masks, targets, strict=True)])
    truth_boxes = torch.cat([b[t[t != BACKGROUND]] for b, t in zip(boxes, targets, strict=True)])
    quality = torch.zeros_like(answers.quality_logits, dtype=torch.float32)
    focal, dice, quality[on_object] = (compiled_mask_terms if fused else mask_terms)(logits, truth)
    count = max(len(truth), 1)
    terms = {
        "focal": focal.sum() / count,
        "dice": dice.sum() / count,
        "quality": F.binary_cross_entropy_with_logits(answers.quality_logits.float(), quality),
        "semantic": semantic_loss(network.semantics(features).float(), semantic, class_weights),
        "box": box_losses(answers.boxes[on_object].float(), truth_boxes) / count,
    }
    total = sum(getattr(weights, name) * term for name, term in terms.items())
    assert isinstance(total, Tensor)
    return total, terms


def mask_terms(logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Focal and dice loss and true IoU of each mask, (P, h, w) -> (P,) each. No gradient goes through the IoU."""
    return *mask_losses(logits, truth), mask_iou(logits.detach() > 0, truth)


# a third of a training step on a CPU is elementwise work on masks: fused it is a fifteenth of that
compiled_mask_terms = torch.compile(mask_terms, dynamic=True)


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


def semantic_loss(logits: Tensor, truth: Tensor, class_weights: Tensor) -> Tensor:
    """Weighted cross-entropy of pixels, (B, C + 1, h, w) and (B, h, w) -> (): the mean over pixels not IGNORED."""
    last = torch.where(truth == BACKGROUND, logits.shape[1] - 1, truth)
    losses = F.cross_entropy(logits, last, class_weights, ignore_index=IGNORED, reduction="sum")
    return losses / (truth != IGNORED).sum().clamp(min=1)


def class_weights(counts: Tensor) -> Tensor:
    """Weights that let rare classes be learned: the inverse root of the frequency, scaled to a mean of 1 per object.

    Args:
        counts: (C,) objects of each class in the training data.

    Returns:
        (C + 1,) float32; the last one, for background pixels, is BACKGROUND_WEIGHT.
    """
    share = counts.float().clamp(min=1) / counts.sum().clamp(min=1)
    weights = share.rsqrt().clamp(max=MAX_RARITY * share.max().rsqrt())
    weights = weights / (weights * share).sum().clamp(min=1e-6)
    return torch.cat([weights, torch.tensor([BACKGROUND_WEIGHT])])


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
