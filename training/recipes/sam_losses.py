"""The losses of fine-tuning a SAM-family network (arXiv 2403.10780), and of its IoU head, which the paper leaves alone.

Every term comes as a sum and a count, so that its mean can be taken over all processes: the loss does not depend on how
a batch is spread. What is counted differs between the recipes (`SamTuneConfig.image_losses`): masks, or, as in the
paper's code, images. There an image with seven objects has the dice losses of seven masks added up, beside one class
loss, the mean over its seven names; images are then averaged, as the gradients of the authors' processes are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..assign import BACKGROUND
from ..samples.embedded_pictures import NO_CLASS, SamItem
from .losses import mask_iou, mask_losses
from .sam_config import SamTuneConfig
from .sam_trainee import SamAnswers

AS_GOOD = 0.9
"""A mask whose IoU is this share of another's shows the same object as well."""


@dataclass(frozen=True)
class Term:
    """One term of the loss: the sum over its cases (masks or images), their number, the weight of their mean."""

    total: Tensor
    count: int
    weight: float


def image_terms(answers: SamAnswers, item: SamItem, config: SamTuneConfig) -> dict[str, Term]:
    """The terms of one image, by name.

    Args:
        answers: of the network.
        item: prompts and targets.
        config: which mask is supervised, weights.
    """
    on_object = item.targets != BACKGROUND
    rows = item.targets[on_object]
    truth, logits = item.masks[rows], answers.mask_logits.float()
    focal, dice = mask_losses(logits, truth[:, None], config.focal_alpha, config.focal_gamma)
    if config.supervised == "predicted":
        chosen = answers.predicted_iou[on_object].detach().argmax(1)
    else:
        chosen = (config.focal_weight * focal + config.dice_weight * dice).detach().argmin(1)
    iou = mask_iou(logits.detach() > 0, truth[:, None])
    masks = min(1, len(rows)) if config.image_losses else len(rows)
    terms = {
        "dice": Term(_of(dice, chosen).sum(), masks, config.dice_weight),
        "focal": Term(_of(focal, chosen).sum(), masks, config.focal_weight),
        "iou": Term(_of(iou, chosen).sum(), len(rows), 0.0),  # to look at
    }
    if answers.class_logits is not None and config.class_weight:
        labels = item.class_ids[rows]
        loss = F.cross_entropy(answers.class_logits.float(), labels, reduction="sum", ignore_index=NO_CLASS)
        named = int((labels != NO_CLASS).sum())
        if config.image_losses:
            terms["class"] = Term(loss / max(1, named), min(1, named), config.class_weight)
        else:
            terms["class"] = Term(loss, named, config.class_weight)
    if config.quality_weight:
        wanted = torch.zeros_like(answers.predicted_iou, dtype=torch.float32)
        wanted[on_object] = wanted_scores(iou, chosen, config.suppress_duplicates)
        error = F.mse_loss(answers.predicted_iou.float(), wanted, reduction="sum")
        terms["quality"] = Term(error, wanted.numel(), config.quality_weight)
    return terms


def wanted_scores(iou: Tensor, chosen: Tensor, suppress_duplicates: bool) -> Tensor:
    """What the IoU head is to say of each mask, (P, M): the IoU that the mask has.

    Args:
        iou: (P, M) of each mask with the prompt's object.
        chosen: (P,) which of a prompt's masks learns the object.
        suppress_duplicates: 0 for masks that are worse than that one: in everything mode a prompt has one object to
            give. Those as good keep their score: box NMS tells them apart, and which of them learns is chance, so that
            all would come to score a part of their IoU.
    """
    as_good = iou >= AS_GOOD * iou.gather(1, chosen[:, None])
    return iou * as_good if suppress_duplicates else iou


def _of(values: Tensor, chosen: Tensor) -> Tensor:
    """(P, M), (P,) -> (P,)."""
    return values.gather(1, chosen[:, None])[:, 0]
