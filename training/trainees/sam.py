"""The part of a SAM-family network that answers prompts, as it is trained, and the file that it is saved in.

Prompts are decoded by `saom_core.sam.decoder.PointDecoder`, in training as in everything mode.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from saom_core.sam.checkpoints import write_checkpoint
from saom_core.sam.decoder import PointDecoder
from saom_core.sam.network import SamModel

from ..assign import BACKGROUND
from ..samples.embedded_pictures import LOGIT_STRIDE, SamItem

_TOKEN_STRIDE = 4 * LOGIT_STRIDE
Item = TypeVar("Item")
WEIGHTS = "last.safetensors"


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
        with_encoder: it is trained, too; items hold pixels, not embeddings.
    """

    def __init__(self, model: SamModel, *, with_encoder: bool = False) -> None:
        super().__init__()
        self.image_encoder = model.sam.image_encoder if with_encoder else None
        for name in ("pixel_mean", "pixel_std"):
            self.register_buffer(name, getattr(model.sam, name).clone(), persistent=False)
        self.prompt_encoder = model.sam.prompt_encoder
        self.mask_decoder = model.sam.mask_decoder
        self.class_head = model.class_head

    def forward(self, items: list[SamItem]) -> list[SamAnswers]:
        """The answers to each item's prompts."""
        # read first, because reading a number from a GPU waits for all work that it has been given
        found = [int((item.targets != BACKGROUND).sum()) for item in items]
        if self.image_encoder is None:
            embeddings = torch.stack([item.image.float() for item in items])
        else:
            embeddings = self.image_encoder(torch.stack([self._pixels(item.image) for item in items]))
        answers = []
        for some in at_once(range(len(items)), embeddings.device):
            window = slice(some[0], some[-1] + 1)
            answers += self._answers(embeddings[window], items[window], found[window])
        return answers

    def _answers(self, embeddings: Tensor, items: list[SamItem], found: list[int]) -> list[SamAnswers]:
        """The answers to some items with embeddings (B, C, h, w); `found`: how many prompts of each are on objects."""
        decoder = PointDecoder(self)
        images = [decoder.image_tokens(embedding[None]) for embedding in embeddings]
        asked = [len(item.points_xy) for item in items]
        image = images[0]
        if len(images) > 1:
            tokens = [one.tokens.expand(count, -1, -1) for one, count in zip(images, asked, strict=True)]
            image = replace(image, tokens=torch.cat(tokens))
        prompts = decoder.decode(image, torch.cat([item.points_xy for item in items]))
        on_object = torch.cat([item.targets != BACKGROUND for item in items]).nonzero()[:, 0]
        height, width = (max(item.input_hw[axis] for item in items) for axis in (0, 1))
        used_hw = -(-height // _TOKEN_STRIDE), -(-width // _TOKEN_STRIDE)
        logits = decoder.mask_logits(prompts, on_object, used_hw).split(found)
        classes: Sequence[Tensor | None] = [None] * len(items)
        if self.class_head is not None:
            classes = self.class_head(prompts.class_token[on_object]).split(found)
        answers = zip(prompts.predicted_iou.split(asked), logits, classes, items, strict=True)
        return [SamAnswers(iou, _of_picture(masks, item.input_hw), names) for iou, masks, names, item in answers]

    def _pixels(self, image: Tensor) -> Tensor:
        """(3, rows, columns) uint8, normalised and padded to the encoder's input (3, S, S) as by `Sam.preprocess`."""
        assert self.image_encoder is not None
        rows, columns = image.shape[1:]
        side = self.image_encoder.img_size
        return F.pad((image - self.pixel_mean) / self.pixel_std, (0, side - columns, 0, side - rows))

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


def at_once(items: Sequence[Item], device: torch.device) -> list[Sequence[Item]]:
    """Items in groups that are computed at once: one by one on a CPU, whose caches hold no more, all on a GPU."""
    count = 1 if device.type == "cpu" else len(items)
    return [items[begin : begin + count] for begin in range(0, len(items), count)]


def _of_picture(logits: Tensor, input_hw: tuple[int, int]) -> Tensor:
    """The mask logits (P, M, h, w) without rows and columns that lie beside the picture."""
    rows, columns = (-(-side // LOGIT_STRIDE) for side in input_hw)
    return logits[..., :rows, :columns]


def model_with(model: SamModel, trained: SamTrainee, metadata: dict[str, str]) -> SamModel:
    """The model with the weights of a trainee (an averaged copy, say) in place of its own; nothing is copied."""
    encoder = model.sam.image_encoder if trained.image_encoder is None else trained.image_encoder
    sam = Sam(encoder, trained.prompt_encoder, trained.mask_decoder)
    sam.pixel_mean, sam.pixel_std = model.sam.pixel_mean, model.sam.pixel_std
    return replace(model, sam=sam, class_head=trained.class_head, metadata={**model.metadata, **metadata})


def write_model(model: SamModel, trained: nn.Module, out: Path, name: str, facts: dict[str, Any]) -> Path:
    """Writes `last.safetensors`, whole or not at all.

    Args:
        model: that the training began with.
        trained: its `SamTrainee`, with the weights that are to be saved.
        out: folder of the run.
        name: what the model is called.
        facts: of the training, JSON types; they stand in the file's header.
    """
    assert isinstance(trained, SamTrainee)
    before = {"before": model.metadata["training"]} if "training" in model.metadata else {}
    metadata = {"name": name, "training": json.dumps({**facts, **before})}
    write_checkpoint(model_with(model, trained, metadata), out / WEIGHTS)
    return out / WEIGHTS
