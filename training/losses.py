"""The loss of saom-tiny: mask (focal + dice), predicted quality, class, box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from training.assign import BACKGROUND
from training.network import ImageFeatures, PromptAnswers, SaomTiny


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term.

    SAM has focal : dice = 20 : 1 (arXiv 2304.02643, section 3); from nothing and with many small objects, dice wants
    more.
    """

    focal: float = 20.0
    dice: float = 3.0
    quality: float = 1.0
    classes: float = 1.0
    box: float = 2.0


def batch_loss(
    network: SaomTiny,
    features: ImageFeatures,
    answers: PromptAnswers,
    targets: list[Tensor],
    masks: list[Tensor],
    boxes: list[Tensor],
    class_ids: list[Tensor],
    weights: LossWeights,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch of B images with N prompts each, and its terms.

    Args:
        network: makes the masks.
        features: of the B images.
        answers: of the B x N prompts.
        targets: per image (N,) row of the three lists below, or BACKGROUND.
        masks: per image (T, h, w) float 0/1.
        boxes: per image (T, 4).
        class_ids: per image (T,).
        weights: of the terms.
    """
    on_object = torch.stack(targets) != BACKGROUND  # (B, N)
    all_logits = network.masks(features, answers.mask_embeddings).float()  # (B, N, h, w)
    class_logits = network.classify(features, answers.tokens, all_logits)[on_object].float()
    logits = all_logits[on_object]  # (P, h, w)
    truth = torch.cat([m[t[t != BACKGROUND]] for m, t in zip(masks, targets, strict=True)])
    truth_boxes = torch.cat([b[t[t != BACKGROUND]] for b, t in zip(boxes, targets, strict=True)])
    truth_classes = torch.cat([c[t[t != BACKGROUND]] for c, t in zip(class_ids, targets, strict=True)])
    quality = torch.zeros_like(answers.quality_logits, dtype=torch.float32)
    quality[on_object] = mask_iou(logits.detach() > 0, truth > 0.5)
    terms = {
        "focal": sigmoid_focal_loss(logits, truth).mean(dim=(1, 2)).sum() / max(len(truth), 1),
        "dice": dice_loss(logits, truth).sum() / max(len(truth), 1),
        "quality": F.binary_cross_entropy_with_logits(answers.quality_logits.float(), quality),
        "classes": F.cross_entropy(class_logits, truth_classes, reduction="sum") / max(len(truth), 1),
        "box": box_loss(answers.boxes[on_object].float(), truth_boxes),
    }
    total = sum(getattr(weights, name) * term for name, term in terms.items())
    assert isinstance(total, Tensor)
    return total, terms


def dice_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """1 - dice of probabilities, (P, h, w) -> (P,)."""
    probability = logits.sigmoid()
    overlap = (probability * truth).sum((1, 2))
    return 1 - (2 * overlap + 1) / (probability.sum((1, 2)) + truth.sum((1, 2)) + 1)


def box_loss(boxes: Tensor, truth: Tensor) -> Tensor:
    """L1 of the corners (times 5, as in DETR) plus generalised IoU, mean over (P, 4)."""
    if not len(boxes):
        return boxes.sum()
    return 5 * F.l1_loss(boxes, truth) + generalized_box_iou_loss(boxes, truth, reduction="mean")


def mask_iou(masks: Tensor, truth: Tensor) -> Tensor:
    """IoU of bool masks pair by pair, (P, h, w) -> (P,); 0 where both are empty."""
    intersection = (masks & truth).sum((1, 2)).float()
    return intersection / (masks | truth).sum((1, 2)).clamp(min=1).float()
