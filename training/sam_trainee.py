"""The part of a SAM-family network that is trained, run on items of the stream.

Prompts are decoded by `saom_core.sam_decoder.PointDecoder`, as in everything mode: one decode path, gradients and all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn

from saom_core.sam_decoder import PointDecoder
from saom_core.sam_network import SamModel, build_sam
from training.assign import BACKGROUND
from training.sam_stream import LOGIT_STRIDE, SamItem

_TOKEN_STRIDE = 4 * LOGIT_STRIDE


@dataclass(frozen=True)
class SamAnswers:
    """What a network answers to the N prompts of one image, P of which are on objects. M masks per prompt."""

    predicted_iou: Tensor  # (N, M)
    mask_logits: Tensor  # (P, M, rows, columns), of the prompts on objects, in order
    class_logits: Tensor | None  # (P, classes)


class SamTrainee(nn.Module):
    """Prompt encoder, mask decoder and class head of a model, and its image encoder if that is trained too.

    Args:
        model: shares its weights with the trainee.
        with_encoder: items hold pixels, not embeddings.
    """

    def __init__(self, model: SamModel, *, with_encoder: bool = False) -> None:
        super().__init__()
        self.image_encoder = model.sam.image_encoder if with_encoder else None
        self.prompt_encoder = model.sam.prompt_encoder
        self.mask_decoder = model.sam.mask_decoder
        self.class_head = model.class_head

    def forward(self, items: list[SamItem]) -> list[SamAnswers]:
        """The answers to each item's prompts."""
        embeddings = [item.image.float() for item in items]
        if self.image_encoder is not None:
            embeddings = list(self.image_encoder(torch.stack(embeddings)))
        return [self.answers(embedding, item) for embedding, item in zip(embeddings, items, strict=True)]

    def answers(self, embedding: Tensor, item: SamItem) -> SamAnswers:
        """The answers to the prompts of one item, whose embedding is (C, h, w)."""
        decoder = PointDecoder(self)
        prompts = decoder.decode(decoder.image_tokens(embedding[None]), item.points_xy)
        on_object = (item.targets != BACKGROUND).nonzero()[:, 0]
        height, width = (-(-side // _TOKEN_STRIDE) for side in item.input_hw)
        rows, columns = (-(-side // LOGIT_STRIDE) for side in item.input_hw)
        logits = decoder.mask_logits(prompts, on_object, (height, width))[..., :rows, :columns]
        classes = None if self.class_head is None else self.class_head(prompts.class_token[on_object])
        return SamAnswers(prompts.predicted_iou, logits, classes)

    def freeze_unused(self, *, quality: bool, classes: bool) -> None:
        """Freezes what no loss reaches, so that weight decay leaves it alone and every other weight has a gradient.

        That is: mask and box prompts, the mask for single answers, and heads without a loss.
        """
        points = self.prompt_encoder.point_embeddings
        unused: list[nn.Module | None] = [self.prompt_encoder.mask_downscaling, points[0], points[2], points[3]]
        unused.append(self.mask_decoder.output_hypernetworks_mlps[0])
        unused.append(None if quality else self.mask_decoder.iou_prediction_head)
        unused.append(None if classes else self.class_head)
        self.requires_grad_(True)
        for module in unused:
            if module is not None:
                module.requires_grad_(False)


def model_with(model: SamModel, trained: SamTrainee, metadata: dict[str, str]) -> SamModel:
    """The model with the weights of a trainee (an averaged copy, say) in place of its own; nothing is copied."""
    sam: Sam = build_sam(model.sizes, device="meta")
    sam.image_encoder = model.sam.image_encoder if trained.image_encoder is None else trained.image_encoder
    sam.prompt_encoder, sam.mask_decoder = trained.prompt_encoder, trained.mask_decoder
    sam.pixel_mean, sam.pixel_std = model.sam.pixel_mean, model.sam.pixel_std
    return replace(model, sam=sam, class_head=trained.class_head, metadata={**model.metadata, **metadata})
