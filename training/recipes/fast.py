"""Train a fast head on the frozen image encoder of a SAM checkpoint.

    saom finetune --model sam_vit_b_01ec64.pth --head fast --data data/rooms --out runs/fast

Prompts, views and kept embeddings are those of fine-tuning SAM's own decoder (`sam.py`); the losses are saom-tiny's.
Embeddings are made once and kept (`--cache`), so that an epoch costs the head alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from saom_core.config import option_field
from saom_core.errors import ConfigError
from saom_core.sam.network import SamModel

from ..assign import BACKGROUND
from ..dataset import Dataset
from ..networks.checkpoint import save_network
from ..networks.fast_head import SamFast, fast_on
from ..running.loop import train
from ..running.step import Term, Terms, of_each_image
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.augment import IGNORED
from ..samples.embedded_pictures import LOGIT_STRIDE, NO_CLASS, SamItem
from ..samples.embedding_cache import embedded_stream
from ..samples.mask_targets import mask_edges, semantic_labels
from ..trainees.fast import FastAnswers, FastTrainee, copy_head
from ..trainees.sam_start import begin_on
from .losses import box_losses, mask_iou, mask_losses
from .sam import SAOM, SamTuneConfig

assert LOGIT_STRIDE == 4, "masks of the fast head have a quarter of the input's size"


@dataclass(frozen=True)
class FastTuneConfig(SamTuneConfig):
    """One training of a fast head. Errors as `RunConfig`."""

    dim: int = option_field(256, "Channels of tokens, keys and values", minimum=8)
    mask_dim: int = option_field(64, "Channels of the features that masks are drawn from", minimum=4)
    heads: int = option_field(8, "Attention heads", minimum=1)
    layers: int = option_field(3, "Attention layers that a prompt goes through", minimum=1)
    box_weight: float = option_field(2.0, "Weight of the boxes' L1 and generalised IoU", minimum=0.0)
    semantic_weight: float = option_field(
        1.0, "Weight of the cross-entropy of every pixel that an object covers", minimum=0.0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dim % self.heads:
            raise ConfigError(f"dim: expected a multiple of the {self.heads} heads, got {self.dim}")
        if self.train_encoder:
            raise ConfigError("train_encoder: expected False, the fast head is for a frozen encoder: leave it out")
        if self.supervised != "predicted" or self.suppress_duplicates:
            raise ConfigError(
                "supervised, suppress_duplicates: the fast head has one mask per prompt, there is nothing to choose: "
                "leave them out"
            )


FAST = FastTuneConfig(
    **{
        **vars(SAOM),
        "supervised": "predicted",
        "suppress_duplicates": False,
        "epochs": 60,  # it begins from nothing
        "class_weight": 1.0,
    }
)


def fast_terms(answers: FastAnswers, item: SamItem, config: FastTuneConfig) -> Terms:
    """The terms of the loss of one image, by name.

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


def finetune(
    model: SamModel,
    data: Dataset,
    out: Path,
    config: FastTuneConfig,
    *,
    class_names: Sequence[str] | None = None,
    cache: Path | None = None,
    record: dict[str, Any] | None = None,
    validation: Dataset | None = None,
) -> Path:
    """Trains a fast head, from the start or on from the last checkpoint in `out`.

    Arguments and errors are those of `sam.finetune`; `model` is not changed.

    Returns:
        The checkpoint folder, for `saom evaluate --model` and `saom export`.
    """
    names, processes, facts = begin_on(model, data, out, config, class_names, record or {})
    stream = embedded_stream(model, data, names, config, out=out, cache=cache, processes=processes)
    whole = fast_on(model, names, dim=config.dim, mask_dim=config.mask_dim, heads=config.heads, layers=config.layers)

    def save(trained: nn.Module, step: int) -> Path:
        assert isinstance(trained, FastTrainee)
        copy_head(trained.network, whole)
        save_network(whole, out / "last", {"steps": step, **facts})
        return out / "last"

    terms_of = of_each_image(fast_terms, config)
    trainee = FastTrainee(SamFast(whole.config))
    batches = StreamBatches(stream, config, config.total_steps(len(data), processes.count), processes)
    measured = Validation.of(validation, out, config)
    train(trainee, terms_of, batches, config, out=out, save=save, processes=processes, validation=measured)
    return out / "last"
