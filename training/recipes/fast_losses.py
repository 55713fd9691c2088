"""The fast head on items of the stream, and its losses: those of saom-tiny, counted as those of SAM's decoder are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..assign import BACKGROUND
from ..networks.fast_head import SamFast, used_tokens
from ..samples.embedded_pictures import LOGIT_STRIDE, NO_CLASS, SamItem
from .fast_config import FastTuneConfig
from .losses import IGNORED, box_losses, mask_iou, mask_losses
from .sam_losses import Term


@dataclass(frozen=True)
class FastAnswers:
    """What a network answers to the N prompts of one image, P of which are on objects."""

    quality_logits: Tensor  # (N,)
    mask_logits: (
        Tensor  # (P, H/4, W/4), H and W the part of the encoder's input that the image covers, in whole patches
    )
    boxes: Tensor  # (P, 4) xyxy, 0..1 of that part
    class_logits: Tensor  # (P, C)
    semantics: Tensor  # (C + 1, H/8, W/8)


class FastTrainee(nn.Module):
    """A fast head on kept embeddings, image by image: images may differ in size."""

    def __init__(self, network: SamFast) -> None:
        super().__init__()
        assert network.image_encoder is None, "the frozen encoder is not trained: it would be copied and averaged"
        self.network = network

    def forward(self, items: list[SamItem]) -> list[FastAnswers]:
        """The answers to each item's prompts."""
        return [self._answers(item) for item in items]

    def _answers(self, item: SamItem) -> FastAnswers:
        network = self.network
        embedding = used_tokens(item.image.float()[None], item.input_hw, network.config.sam)
        features = network.prepare(network.pyramid_of(embedding))
        patch = network.config.sam.patch_size
        size = item.points_xy.new_tensor([embedding.shape[3] * patch, embedding.shape[2] * patch])
        answers = network.decode(features, (item.points_xy / size)[None])
        on_object = item.targets != BACKGROUND
        logits = network.masks(features, answers.mask_embeddings[:, on_object])[0]
        embeddings = network.embed_masks(features, logits)
        return FastAnswers(
            answers.quality_logits[0],
            logits,
            answers.boxes[0, on_object],
            network.classify(embeddings),
            network.semantics(features)[0],
        )


def fast_terms(answers: FastAnswers, item: SamItem, config: FastTuneConfig) -> dict[str, Term]:
    """The terms of one image, by name.

    Args:
        answers: of the network.
        item: prompts and targets.
        config: weights.
    """
    on_object = item.targets != BACKGROUND
    rows = item.targets[on_object]
    height, width = answers.mask_logits.shape[1:]
    masks = F.pad(item.masks, (0, width - item.masks.shape[2], 0, height - item.masks.shape[1]))  # to whole patches
    truth, logits = masks[rows], answers.mask_logits.float()
    focal, dice = mask_losses(logits, truth, config.focal_alpha, config.focal_gamma)
    iou = mask_iou(logits.detach() > 0, truth)
    quality = torch.zeros_like(answers.quality_logits, dtype=torch.float32)
    quality[on_object] = iou
    labels = item.class_ids[rows]
    names = F.cross_entropy(answers.class_logits.float(), labels, reduction="sum", ignore_index=NO_CLASS)
    pixels = semantic_labels(masks, item.class_ids)
    semantic = F.cross_entropy(answers.semantics.float()[None], pixels[None], reduction="sum", ignore_index=IGNORED)
    asked = F.binary_cross_entropy_with_logits(answers.quality_logits.float(), quality, reduction="sum")
    return {
        "dice": Term(dice.sum(), len(rows), config.dice_weight),
        "focal": Term(focal.sum(), len(rows), config.focal_weight),
        "iou": Term(iou.sum(), len(rows), 0.0),  # to look at
        "quality": Term(asked, len(quality), config.quality_weight),
        "class": Term(names, int((labels != NO_CLASS).sum()), config.class_weight),
        "box": Term(box_losses(answers.boxes.float(), mask_edges(masks)[rows]), len(rows), config.box_weight),
        "semantic": Term(semantic, int((pixels != IGNORED).sum()), config.semantic_weight),
    }


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
    covered, which = F.avg_pool2d(masks[smallest_first, None], 2)[:, 0].max(0)  # of equal shares the first one
    labels = torch.where(class_ids == NO_CLASS, IGNORED, class_ids)[smallest_first][which]
    return torch.where(covered > 0.5, labels, IGNORED)


assert LOGIT_STRIDE == 4, "masks of the fast head have a quarter of the input's size"
