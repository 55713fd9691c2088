"""Fine-tune a checkpoint of the SAM family to whole objects with classes (arXiv 2403.10780).

    saom finetune --model sam_vit_b_01ec64.pth --data data/rooms --out runs/saom [--recipe paper] [--grid 64x64]

Prompt encoder, mask decoder and class head are trained, with `--train-encoder` the image encoder, too. `PAPER` and
`SAOM` are two sets of values of one configuration: ours adds what the paper leaves out, and each addition is an option
that can be set back, so that its worth can be measured.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from saom_core.config import option_field, other_default
from saom_core.errors import ConfigError
from saom_core.sam.network import SamModel

from ..assign import BACKGROUND
from ..dataset import Dataset
from ..running.config import EpochConfig
from ..running.loop import train
from ..running.step import Term, Terms, of_each_image
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.embedded_pictures import NO_CLASS, EmbeddedConfig, SamItem
from ..samples.embedding_cache import embedded_stream
from ..trainees.sam import WEIGHTS, SamAnswers, SamTrainee, write_model
from ..trainees.sam_start import begin_on, with_class_head
from .losses import mask_iou, mask_losses, of_chosen, wanted_scores


@dataclass(frozen=True)
class SamTuneConfig(EmbeddedConfig):
    """One fine-tuning; the defaults are the paper's, and its authors' code's. Errors as `RunConfig`."""

    epochs: int = other_default(EpochConfig, "epochs", 500)
    batch: int = other_default(EpochConfig, "batch", 1)
    warmup_steps: int = other_default(EpochConfig, "warmup_steps", 0)
    clip_norm: float = other_default(EpochConfig, "clip_norm", 0.0)
    adam_epsilon: float = other_default(EpochConfig, "adam_epsilon", 1e-4)
    weight_decay: float = other_default(EpochConfig, "weight_decay", 0.01)  # the paper names none: torch's default
    ema_decay: float = other_default(EpochConfig, "ema_decay", 0.0)
    workers: int = other_default(EpochConfig, "workers", 0)
    supervised: str = option_field(
        "predicted",
        "Which of a prompt's three masks learns the object: the one with the highest predicted score, or with the "
        "least loss (SAM's rule)",
        choices=("predicted", "least_loss"),
    )
    image_losses: bool = option_field(
        True,
        "Each image has one loss, as in the paper's code: dice and focal summed over its masks, class loss their mean; "
        "without it each of the three is a mean over the masks of all images",
    )
    dice_weight: float = option_field(1.0, "Weight of the dice loss", minimum=0.0)
    focal_weight: float = option_field(1.0, "Weight of the focal loss", minimum=0.0)
    focal_alpha: float = option_field(0.25, "Weight of the object's pixels", minimum=0.0, maximum=1.0)
    focal_gamma: float = option_field(2.0, "How little easy pixels count", minimum=0.0)
    class_weight: float = option_field(1.0, "Weight of the class head's cross-entropy", minimum=0.0)
    quality_weight: float = option_field(
        0.0, "Weight of the error of the three predicted IoUs; 0: they are not trained", minimum=0.0
    )
    suppress_duplicates: bool = option_field(False, "A prompt's masks that are worse than the chosen one must score 0")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("suppress_duplicates", "background_prompts"):
            if getattr(self, name) and not self.quality_weight:
                raise ConfigError(f"{name}: expected a quality_weight above 0 with it, got 0: set one")


PAPER = SamTuneConfig()
SAOM = dataclasses.replace(
    PAPER,
    epochs=30, batch=4, weight_decay=0.05, adam_epsilon=1e-8, warmup_steps=100, clip_norm=1.0, ema_decay=0.998,
    on_object=True, prompts_per_object=4, jitter=0.5, background_prompts=16,
    views=4, mirror=True, crop=0.6, recolour=0.7, occlude=0.5, cache_embeddings=True, workers=1,
    supervised="least_loss", image_losses=False, dice_weight=3.0, focal_weight=20.0, class_weight=0.1,
    quality_weight=1.0, suppress_duplicates=True,
)  # fmt: skip
RECIPES = {"saom": SAOM, "paper": PAPER}
"""Recipe -> its values; the first is the default."""


def image_terms(answers: SamAnswers, item: SamItem, config: SamTuneConfig) -> Terms:
    """The terms of the loss of one image, by name: the paper's, and that of the IoU head, which it leaves alone.

    What the terms count differs between the recipes (`SamTuneConfig.image_losses`): masks, or, as in the paper's code,
    images. There an image with seven objects has the dice losses of seven masks added up, beside one class loss, the
    mean over its seven names; images are then averaged, as the gradients of the authors' processes are.

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
        "dice": Term(of_chosen(dice, chosen).sum(), masks, config.dice_weight),
        "focal": Term(of_chosen(focal, chosen).sum(), masks, config.focal_weight),
        "iou": Term(of_chosen(iou, chosen).sum(), len(rows), 0.0),  # to look at
    }
    if answers.class_logits is not None and config.class_weight:
        labels = item.class_ids[rows]
        loss = F.cross_entropy(answers.class_logits.float(), labels, reduction="sum", ignore_index=NO_CLASS)
        named = int((labels != NO_CLASS).sum())
        per, cases = (max(1, named), min(1, named)) if config.image_losses else (1, named)
        terms["class"] = Term(loss / per, cases, config.class_weight)
    if config.quality_weight:
        wanted = torch.zeros_like(answers.predicted_iou, dtype=torch.float32)
        wanted[on_object] = wanted_scores(iou, chosen, config.suppress_duplicates)
        error = F.mse_loss(answers.predicted_iou.float(), wanted, reduction="sum")
        terms["quality"] = Term(error, wanted.numel(), config.quality_weight)
    return terms


def finetune(
    model: SamModel,
    data: Dataset,
    out: Path,
    config: SamTuneConfig,
    *,
    class_names: Sequence[str] | None = None,
    cache: Path | None = None,
    record: dict[str, Any] | None = None,
    validation: Dataset | None = None,
) -> Path:
    """Fine-tunes a network, from the start or on from the last checkpoint in `out`.

    Args:
        model: the network to begin from; what is trained of it is changed in place.
        data: the training split.
        out: folder of checkpoints and logs.
        config: every choice.
        class_names: of the class head; each must have objects in the data. None: the data set's.
        cache: folder of kept embeddings; None: "embeddings" beside `out`.
        record: what else is to be known of the run, JSON types; stored with it.
        validation: split on which checkpoints are measured; None: they are not.

    Returns:
        The checkpoint, which `saom segment --model` takes.

    Raises:
        TrainingError: no objects to train on, a class without objects, or a loss that is not finite.
        ConfigError: `out` holds a run with other options.
    """
    names, processes, facts = begin_on(model, data, out, config, class_names, record or {})
    model = with_class_head(model, names)
    stream = embedded_stream(model, data, names, config, out=out, cache=cache, processes=processes)
    trainee = SamTrainee(model, with_encoder=config.train_encoder)
    trainee.freeze_unused(quality=config.quality_weight > 0, classes=config.class_weight > 0)

    def save(trained: nn.Module, step: int) -> Path:
        return write_model(model, trained, out, f"SAOM ({model.sizes.name})", {"steps": step, **facts})

    terms_of = of_each_image(image_terms, config)
    batches = StreamBatches(stream, config, config.total_steps(len(data), processes.count), processes)
    measured = Validation.of(validation, out, config)
    train(trainee, terms_of, batches, config, out=out, save=save, processes=processes, validation=measured)
    return out / WEIGHTS
