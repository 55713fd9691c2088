"""Train saom-tiny on a simulated data set: `saom finetune --data data/rooms --out runs/tiny`.

On two CPU cores 1000 steps of 8 images at 384x288 take about 20 minutes. Batch norms average over the images of one
process, so in several processes give each of them enough images (`--batch`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.config import check_options, option_field, other_default

from ..assign import BACKGROUND
from ..dataset import Dataset
from ..networks.checkpoint import save_network
from ..networks.encoder import Pyramid
from ..running.config import RunConfig
from ..running.loop import train as run
from ..running.step import Term, Terms
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.augment import AugmentedStream, TrainingItem
from ..samples.class_weights import class_weights
from ..trainees.distill import FeaturesFirst, FeaturesOnly
from ..trainees.tiny import TinyAnswers, TinyTrainee
from ..trainees.tiny_start import TinyStartConfig, begin_tiny
from .losses import box_losses, compiled_mask_terms, mask_terms, semantic_losses


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term.

    SAM has focal : dice = 20 : 1 (arXiv 2304.02643, section 3); from nothing and with many small objects, dice wants
    more.
    """

    focal: float = option_field(20.0, "Weight of the focal loss", minimum=0.0, flag="focal-weight")
    dice: float = option_field(3.0, "Weight of the dice loss", minimum=0.0, flag="dice-weight")
    quality: float = option_field(1.0, "Weight of the error of the predicted IoU", minimum=0.0, flag="quality-weight")
    semantic: float = option_field(
        1.0, "Weight of the cross-entropy of every pixel", minimum=0.0, flag="semantic-weight"
    )
    box: float = option_field(2.0, "Weight of the boxes' L1 and generalised IoU", minimum=0.0, flag="box-weight")
    features: float = option_field(
        1.0, "Weight of the difference from the teacher's features", minimum=0.0, flag="feature-weight"
    )

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class TrainConfig(TinyStartConfig):
    """One training run. Errors as `RunConfig`."""

    steps: int = other_default(RunConfig, "steps", 4000)
    learning_rate: float = other_default(RunConfig, "learning_rate", 1.5e-3)
    final_rate: float = other_default(RunConfig, "final_rate", 0.01)
    beta2: float = other_default(RunConfig, "beta2", 0.98)
    decay_vectors: bool = other_default(RunConfig, "decay_vectors", False)
    fused: bool = option_field(False, "Compile the mask loss: a third faster on a CPU, after half a minute")
    encoder_rate: float = option_field(
        1.0, "Learning rate of the encoder, as a share of that of all else", minimum=0.0, maximum=10.0
    )
    frozen_stages: int = option_field(
        0, "The encoder's stem and so many of its first stages stay as they are; 0: all is trained", minimum=0
    )
    keep_norms: bool = option_field(False, "Batch norms of the encoder keep the statistics that they begin with")
    features_first: int = option_field(0, "So many first steps learn the teacher's features alone", minimum=0)
    loss: LossWeights = field(default_factory=LossWeights)


def tiny_terms(
    answers: TinyAnswers, items: list[TrainingItem], class_weights: Tensor, weights: LossWeights, fused: bool = False
) -> Terms:
    """The terms of the loss, by name.

    Args:
        answers: of the network.
        items: prompts and targets.
        class_weights: (C + 1,) of the classes and of background; see `class_weights`.
        weights: of the terms.
        fused: compile the mask terms with torch.compile, which needs a C++ compiler and half a minute.
    """
    targets = torch.stack([item.targets for item in items])  # (B, N)
    on_object = targets != BACKGROUND
    rows = [item.targets[item.targets != BACKGROUND] for item in items]
    truth = torch.cat([item.masks[k] for item, k in zip(items, rows, strict=True)])  # (P, h, w)
    truth_boxes = torch.cat([item.boxes[k] for item, k in zip(items, rows, strict=True)])
    quality = torch.zeros_like(answers.quality_logits, dtype=torch.float32)
    logits = answers.mask_logits.float()[on_object]
    focal, dice, quality[on_object] = (compiled_mask_terms() if fused else mask_terms)(logits, truth)
    error = F.binary_cross_entropy_with_logits(answers.quality_logits.float(), quality, reduction="sum")
    pixels = torch.stack([item.semantic for item in items])
    semantic, known = semantic_losses(answers.semantics.float(), pixels, class_weights)
    return {
        "focal": Term(focal.sum(), len(truth), weights.focal),
        "dice": Term(dice.sum(), len(truth), weights.dice),
        "quality": Term(error, quality.numel(), weights.quality),
        "semantic": Term(semantic, known, weights.semantic),
        "box": Term(box_losses(answers.boxes[on_object].float(), truth_boxes), len(truth), weights.box),
    }


def train(
    data: Dataset, out: Path, config: TrainConfig, init: Path | None = None, validation: Dataset | None = None
) -> Path:
    """Train from nothing, from `init`, or on from the last checkpoint in `out`.

    Args:
        data: training split.
        out: folder for checkpoints and logs.
        config: the run.
        init: checkpoint folder, or exported file, to begin from.
        validation: split on which checkpoints are measured; None: they are not.

    Returns:
        The folder of the last checkpoint (averaged weights).

    Raises:
        TrainingError: no objects to train on, or a loss or gradient that is not finite.
        ConfigError: `out` holds a run with other options, data or beginning; or options that do not go together.
        ModelError: `init`, the teacher, or the encoder's file cannot be used.
    """
    network, teacher, processes, record = begin_tiny(
        data, out, config, init, features_first=config.features_first, feature_weight=config.loss.features
    )
    trainee = TinyTrainee(network, config.frozen_stages, config.keep_norms)
    weights = class_weights(torch.from_numpy(data.class_counts(sub_objects=True))).to(processes.device)

    def terms_of(answers: TinyAnswers | Pyramid, batch: list[TrainingItem] | FeaturesOnly) -> Terms:
        if isinstance(batch, FeaturesOnly):
            assert teacher is not None and isinstance(answers, Pyramid)
            return {"features": teacher.term(answers, batch.items)}
        assert isinstance(answers, TinyAnswers)
        terms = tiny_terms(answers, batch, weights, config.loss, config.fused)
        return terms if teacher is None else {**terms, "features": teacher.term(answers.pyramid, batch)}

    def save(trained: nn.Module, step: int) -> Path:
        assert isinstance(trained, TinyTrainee)
        save_network(trained.network, out / "last", {"steps": step, **record})
        return out / "last"

    stream = AugmentedStream(data, config.augment, config.seed, config.steps * config.batch * processes.count)
    batches = FeaturesFirst(StreamBatches(stream, config, config.steps, processes), config.features_first)
    measured, rates = Validation.of(validation, out, config), {"network.encoder.": config.encoder_rate}
    run(trainee, terms_of, batches, config, out=out, save=save, processes=processes, validation=measured, shares=rates)
    return out / "last"
