"""A small SAM-like network, promptable on parts, sub-parts and wholes alike, as SAM is (arXiv 2304.02643).

    saom finetune --recipe base --data data/rooms --out runs/base

Each prompt lies on an object or a piece of background, and mostly on a part and a sub-part of it too; nothing tells
which of them is meant. Every mask that holds the point is a right answer: of the three masks that a prompt gives, the
one with the least loss learns it (SAM, section 3), and the IoU head learns of that mask alone how good it is. So good
pieces score higher than difficult wholes, and everything mode returns both. It is what `make reproduce` fine-tunes, in
the place of Meta's weights, which cannot be trained here.

SAM's ViT begins with weights from masked auto-encoding; here the encoder is convolutional and begins with the bundled
saom-tiny's (depth left out), and decoder and neck begin from nothing. All of it is trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from saom_core.config import option_field, other_default

from ..dataset import Dataset
from ..running.checks import begin_together, check_data
from ..running.config import EpochConfig
from ..running.loop import train
from ..running.processes import Processes
from ..running.step import Term, Terms, sums_of
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.pieces import BaseItem, BaseStream, joined_pairs, pieces_of
from ..trainees.sam import WEIGHTS, SamAnswers, SamTrainee, at_once, write_model
from ..trainees.sam_start import BaseStartConfig, new_base
from .losses import mask_iou, mask_losses

PIECES = "pieces.json"


@dataclass(frozen=True)
class SamBaseConfig(BaseStartConfig):
    """One training of a base; errors as `RunConfig`."""

    epochs: int = other_default(EpochConfig, "epochs", 8)
    learning_rate: float = other_default(EpochConfig, "learning_rate", 5e-4)
    focal_weight: float = option_field(
        5.0, "Weight of the focal loss (SAM: 20; a new decoder first drives every mask to nothing)", minimum=0.0
    )
    focal_alpha: float = option_field(0.25, "Weight of the object's pixels", minimum=0.0, maximum=1.0)
    focal_gamma: float = option_field(2.0, "How little easy pixels count", minimum=0.0)
    dice_weight: float = option_field(
        3.0,
        "Weight of the dice loss (SAM: 1; a network that begins with nothing, and small objects, need more)",
        minimum=0.0,
    )
    quality_weight: float = option_field(1.0, "Weight of the error of the predicted IoU (SAM: 1)", minimum=0.0)


def base_terms(answers: Sequence[SamAnswers], items: Sequence[BaseItem], config: SamBaseConfig) -> Terms:
    """The terms of some pictures, by name."""
    sizes: dict[tuple[int, ...], list[int]] = {}
    for k, item in enumerate(items):
        sizes.setdefault(tuple(item.masks.shape[1:]), []).append(k)
    groups = [some for alike in sizes.values() for some in at_once(alike, items[0].masks.device)]
    return sums_of([_terms([answers[k] for k in some], [items[k] for k in some], config) for some in groups])


def _terms(answers: Sequence[SamAnswers], items: Sequence[BaseItem], config: SamBaseConfig) -> Terms:
    prompt, mask = joined_pairs(items)  # Q pairs of a point and a mask that holds it
    truth = torch.cat([item.masks for item in items])[mask].float()
    logits = torch.cat([one.mask_logits for one in answers])[prompt].float()
    focal, dice = mask_losses(logits, truth[:, None], config.focal_alpha, config.focal_gamma)  # (Q, M)
    chosen = (config.focal_weight * focal + config.dice_weight * dice).detach().argmin(1, keepdim=True)
    with torch.no_grad():
        iou = mask_iou(logits > 0, truth[:, None]).gather(1, chosen)
    said = torch.cat([one.predicted_iou for one in answers])[prompt].float().gather(1, chosen)
    return {
        "focal": Term(focal.gather(1, chosen).sum(), len(truth), config.focal_weight),
        "dice": Term(dice.gather(1, chosen).sum(), len(truth), config.dice_weight),
        "quality": Term(F.mse_loss(said, iou, reduction="sum"), len(truth), config.quality_weight),
        "iou": Term(iou.sum(), len(truth), 0.0),  # to look at
    }


def train_base(data: Dataset, out: Path, config: SamBaseConfig, validation: Dataset | None = None) -> Path:
    """Trains a base from the start, or on from the last checkpoint in `out`.

    Args:
        data: the training split, opened with parts, sub-objects apart.
        out: folder of checkpoints and logs.
        config: the run.
        validation: split of whole objects on which checkpoints are measured; None: they are not.

    Returns:
        The checkpoint.

    Raises:
        TrainingError: no objects to train on, or a loss that is not finite.
        ConfigError: `out` holds a run with other options.
    """
    check_data(data)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    model = new_base(config)
    ended = begin_together(out, data, config, processes, {"recipe": "base"})
    pieces = pieces_of(data, out / PIECES, config.workers, processes)
    steps = config.total_steps(len(data), processes.count)
    stream = BaseStream(data, pieces, config.image_size, steps * config.batch * processes.count, config)
    trainee = SamTrainee(model, with_encoder=True)
    trainee.freeze_unused(quality=config.quality_weight > 0, classes=False)

    def save(trained: nn.Module, step: int) -> Path:
        facts = {"recipe": "base", "steps": step, "data": data.info, "config": vars(config), **ended}
        return write_model(model, trained, out, f"SAM-like base ({model.sizes.name})", facts)

    terms_of = partial(base_terms, config=config)
    batches = StreamBatches(stream, config, steps, processes)
    measured = Validation.of(validation, out, config)
    train(trainee, terms_of, batches, config, out=out, save=save, processes=processes, validation=measured)
    return out / WEIGHTS
