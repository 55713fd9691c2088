"""How well a drawn mask fits: a first score of what its prompt tells, and a second look at the mask itself.

The IoU that a prompt predicts does not see the mask that it draws (Mask Scoring R-CNN, arXiv 1903.00241, found that of
boxes). The first score decides which of two masks of one object stays; `MaskIouHead` looks at those that are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .prompt_decoder import mlp

REACH = 0.6
"""A mask is looked at whose first score is at least this share of the threshold."""
_FIRST, _SECOND = 0.25, 0.5
"""Powers of first score and predicted IoU: of masks over 0.5 three in four are an object (simulated rooms, depth)."""
_UNSURE = 1.0
"""Logits nearer to 0 than this are an unsure edge."""


def mask_scores(quality: Tensor, stability: Tensor, agreement: Tensor) -> Tensor:
    """How well each mask will fit, 0..1, of three values (N,): a product in which each has its weight.

    The IoU that a prompt predicts does not see the mask itself. An unsure edge tells of one that fits badly; and where
    prompts on it mean other objects, it may cover two things or half of one. With these powers a threshold leaves as
    many masks as it does of predicted IoU alone. No mask scores 0, which means padding.
    """
    rest = stability.clamp(min=0.01).square() * agreement.clamp(min=0.01)
    return (quality.pow(4) * rest).pow(1 / 6)


def prompt_agreement(masks: Tensor, overlap: Tensor, points: Tensor, quality: Tensor) -> Tensor:
    """How far the prompts that lie on each mask mean the same object: the mean IoU of their boxes with its own.

    Args:
        masks: (C, h, w) bool.
        overlap: (C, N) IoU of the box that each mask's prompt predicts with those of all prompts.
        points: (N, 2) xy 0..1, all prompts.
        quality: (N,) 0..1, what each counts for.

    Returns:
        (C,) 0..1; 1 where no prompt lies on the mask.
    """
    height, width = masks.shape[1:]
    column = (points[:, 0] * width).long().clamp(0, width - 1)
    row = (points[:, 1] * height).long().clamp(0, height - 1)
    weights = masks.flatten(1).index_select(1, row * width + column).float() * quality
    total = weights.sum(1)
    agreed = (weights * overlap).sum(1) / total.clamp(min=1e-6)
    return torch.where(total > 0, agreed, torch.ones_like(agreed))


@dataclass
class DrawnMasks:
    """N masks that everything mode draws, duplicates left out, by falling first score; one row of score 0 is none."""

    logits: Tensor  # (N, H/4, W/4)
    boxes: Tensor  # (N, 4) xyxy, 0..1
    points: Tensor  # (N, 2) xy of their prompts, pixels
    quality: Tensor  # (N,) IoU that the prompt predicts, 0..1
    stability: Tensor  # (N,) 0..1
    agreement: Tensor  # (N,) of the prompts on the mask, 0..1
    scores: Tensor  # (N,) first score, 0..1
    embeddings: Tensor  # (N, E) of the object head


FACTS = 13
"""Numbers that the head sees of a mask beside its embedding."""


def mask_facts(drawn: DrawnMasks) -> Tensor:
    """What is known of each mask beside its embedding, (N, FACTS).

    Scores; how large it is, where it lies, how sure its edge and its inside are; and how far it lies inside another of
    the masks or covers one.
    """
    inside = (drawn.logits > 0).flatten(1).float()
    logits = drawn.logits.flatten(1)
    area = inside.sum(1).clamp(min=1)
    shared = inside @ inside.T * (1 - torch.eye(len(inside), device=inside.device))
    columns = [
        drawn.scores,
        drawn.quality,
        drawn.stability,
        drawn.agreement,
        area.log() / 8,
        (logits.abs() < _UNSURE).float().sum(1) / area,
        (logits.sigmoid() * inside).sum(1) / area,
        (shared / area[:, None]).amax(1),
        (shared / area[None]).amax(1),
    ]
    return torch.cat([torch.stack(columns, dim=1), drawn.boxes], dim=1)


class MaskIouHead(nn.Module):
    """Predicts the IoU of a drawn mask with the object, from its embedding and `mask_facts`.

    Args:
        embedding: E.
        width: of the hidden layer.
    """

    def __init__(self, embedding: int, width: int) -> None:
        super().__init__()
        self.layers = mlp(embedding + FACTS, width, 1)

    def forward(self, seen: Tensor) -> Tensor:
        """IoU logits (N,) of `seen_by_head`, (N, E + FACTS)."""
        return self.layers(seen.to(self.layers[0].weight.dtype)).squeeze(1).float()


def seen_by_head(drawn: DrawnMasks) -> Tensor:
    """(N, E + FACTS) float32."""
    return torch.cat([drawn.embeddings.float(), mask_facts(drawn)], dim=1)


def second_scores(first: Tensor, predicted_iou: Tensor) -> Tensor:
    """The score of a mask from its first one and the IoU that `MaskIouHead` predicts, (N,) each; 0 stays 0."""
    product = first.clamp(min=1e-12).pow(_FIRST) * predicted_iou.clamp(min=1e-12).pow(_SECOND)
    return torch.where(first > 0, product, torch.zeros_like(first))
