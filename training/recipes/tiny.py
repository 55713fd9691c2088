"""Train saom-tiny on a simulated data set: `saom finetune --data data/rooms --out runs/tiny`.

On two CPU cores 1000 steps of 8 images at 384x288 take about 20 minutes. Batch norms average over the images of one
process, so in several processes give each of them enough images (`--batch`).
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.config import check_options, option_field, other_default
from saom_core.errors import ConfigError

from ..assign import BACKGROUND
from ..dataset import Dataset
from ..networks.checkpoint import load_network_and_record, save_network
from ..networks.onnx_weights import network_from_onnx, restore_batch_norms
from ..networks.pretrained import check_encoder, load_pretrained
from ..networks.tiny import SaomTiny, TinyConfig, with_classes
from ..running.checks import begin_together, beginning, check_data
from ..running.config import RunConfig
from ..running.loop import train as run
from ..running.processes import Processes
from ..running.step import Term, Terms
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.augment import AugmentConfig, AugmentedStream, TrainingItem
from .mask_losses import box_losses, class_weights, compiled_mask_terms, mask_terms, semantic_losses

logger = logging.getLogger("saom")


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term.

    SAM has focal : dice = 20 : 1 (arXiv 2304.02643, section 3); from nothing and with many small objects, dice wants
    more.
    """

    focal: float = option_field(20.0, "Of the focal loss", minimum=0.0, flag="focal-weight")
    dice: float = option_field(3.0, "Of the dice loss", minimum=0.0, flag="dice-weight")
    quality: float = option_field(1.0, "Of the error of the predicted IoU", minimum=0.0, flag="quality-weight")
    semantic: float = option_field(1.0, "Of the cross-entropy of every pixel", minimum=0.0, flag="semantic-weight")
    box: float = option_field(2.0, "Of the boxes' L1 and generalised IoU", minimum=0.0, flag="box-weight")

    def __post_init__(self) -> None:
        check_options(self)


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """One training run. Errors as `RunConfig`."""

    steps: int = other_default(RunConfig, "steps", 4000)
    learning_rate: float = other_default(RunConfig, "learning_rate", 1.5e-3)
    final_rate: float = other_default(RunConfig, "final_rate", 0.01)
    warmup_steps: int = other_default(RunConfig, "warmup_steps", 200)
    beta2: float = other_default(RunConfig, "beta2", 0.98)
    decay_vectors: bool = other_default(RunConfig, "decay_vectors", False)
    clip_norm: float = other_default(RunConfig, "clip_norm", 1.0)
    fused: bool = option_field(False, "Compile the mask loss: a third faster on a CPU, after half a minute")
    encoder: str = option_field(
        TinyConfig.encoder, "Encoder of a new network: timm's name of one with features at strides 4, 8, 16 and 32"
    )
    pretrained: str = option_field(
        "", "File with weights of the encoder (.safetensors, or a state dict of torch) for a new network to begin with"
    )
    encoder_rate: float = option_field(
        1.0, "Learning rate of the encoder, as a share of that of all else", minimum=0.0, maximum=10.0
    )
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class TinyAnswers:
    """What the network answers to N prompts on each of B images."""

    quality_logits: Tensor  # (B, N)
    mask_logits: Tensor  # (B, N, H/4, W/4)
    boxes: Tensor  # (B, N, 4) xyxy, 0..1
    semantics: Tensor  # (B, C + 1, H/8, W/8)


class TinyTrainee(nn.Module):
    """What is trained of a saom-tiny: all but object head and class head, which `names.py` teaches."""

    def __init__(self, network: SaomTiny) -> None:
        super().__init__()
        self.network = network.requires_grad_(True)
        network.object_head.requires_grad_(False)
        network.class_head.requires_grad_(False)

    def forward(self, items: list[TrainingItem]) -> TinyAnswers:
        """The answers to the items' prompts."""
        image, depth, points = (torch.stack([getattr(i, name) for i in items]) for name in ("image", "depth", "points"))
        features = self.network.encode(image, depth)
        answers = self.network.decode(features, points)
        logits = self.network.masks(features, answers.mask_embeddings)
        return TinyAnswers(answers.quality_logits, logits, answers.boxes, self.network.semantics(features))


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
    focal, dice, quality[on_object] = (compiled_mask_terms if fused else mask_terms)(logits, truth)
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
        ConfigError: `out` holds a run with other options, data or beginning.
        ModelError: `init`, or the encoder's file, cannot be used.
    """
    check_data(data, None)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    network, before, taught = initial_network(data, config, init)
    known = beginning(data, init, Path(config.pretrained) if config.pretrained else None)
    ended = begin_together(out, known, config, config.steps, processes)
    facts = {"images": len(data), "data": data.info, "config": dataclasses.asdict(config), **ended}
    record = {**facts, "names_taught": taught, "init": before}
    network = network.to(processes.device, memory_format=torch.channels_last)
    weights = class_weights(torch.from_numpy(data.class_counts(sub_objects=True))).to(processes.device)

    def terms_of(answers: TinyAnswers, items: list[TrainingItem]) -> Terms:
        return tiny_terms(answers, items, weights, config.loss, config.fused)

    def save(trained: nn.Module, step: int) -> Path:
        assert isinstance(trained, TinyTrainee)
        save_network(trained.network, out / "last", {"steps": step, **record})
        return out / "last"

    length = config.steps * config.batch * processes.count
    stream = AugmentedStream(data, config.augment, config.seed, length)
    run(
        TinyTrainee(network),
        terms_of,
        StreamBatches(stream, config, config.steps, processes),
        config,
        out=out,
        save=save,
        processes=processes,
        validation=Validation.of(validation, out, config),
        shares={"network.encoder.": config.encoder_rate},
    )
    processes.leave()
    return out / "last"


def initial_network(data: Dataset, config: TrainConfig, init: Path | None) -> tuple[SaomTiny, dict[str, Any], bool]:
    """The network that a run begins from.

    Returns:
        A new network for the data set's classes, or that of `init` for them; the training record of `init`; and whether
        the network has learned the names of these classes.

    Raises:
        ConfigError: the configuration asks for another encoder than that of `init`, or for one that cannot be used.
        ModelError: `init`, or the encoder's file, cannot be used.
    """
    if init is None:
        check_encoder(config.encoder)
        network = SaomTiny(TinyConfig(class_names=data.class_names, encoder=config.encoder))
        if config.pretrained:
            load_pretrained(network, Path(config.pretrained))
        return network, {}, False
    if init.suffix == ".onnx":
        network, before = network_from_onnx(init)
        restore_batch_norms(network, _some_images(data, config))
    else:
        network, before = load_network_and_record(init)
    if config.pretrained or config.encoder not in (TinyConfig.encoder, network.config.encoder):
        raise ConfigError(
            f"--encoder, --pretrained: expected them for a new network, got --init {init}, which has its own encoder "
            f"({network.config.encoder}): leave out one or the other"
        )
    taught = network.config.class_names == data.class_names and before.get("names_taught", True)
    return for_classes_of(data, network), before, taught


def for_classes_of(data: Dataset, network: SaomTiny) -> SaomTiny:
    """The network, for the data set's classes: where they are others, the layers that name classes start anew."""
    if network.config.class_names == data.class_names:
        return network
    logger.info(
        "the data set has other classes than the network: the class layers start anew, for %d instead of %d classes",
        len(data.class_names),
        len(network.config.class_names),
    )
    return with_classes(network, data.class_names)


def _some_images(data: Dataset, config: TrainConfig, batches: int = 12) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented images (B, H, W, 3) and depths (B, H, W) from the beginning of the stream."""
    length = min(batches, config.steps) * config.batch
    stream = AugmentedStream(data, config.augment, config.seed, length)
    for first in range(0, length, config.batch):
        items = [stream[i] for i in range(first, first + config.batch)]
        yield torch.stack([item.image for item in items]), torch.stack([item.depth for item in items])
