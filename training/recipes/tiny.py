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
from ..networks.encoder import Pyramid
from ..networks.onnx_weights import network_from_onnx, restore_batch_norms
from ..networks.pretrained import SOURCES, TIMM, check_encoder, load_pretrained
from ..networks.tiny import SaomTiny, TinyConfig, with_classes
from ..running.checks import begin_together, beginning, check_data
from ..running.config import RunConfig
from ..running.loop import train as run
from ..running.precision import keep_depthwise_exact
from ..running.processes import Processes
from ..running.step import Term, Terms
from ..running.validation import Validation
from ..running.workers import StreamBatches
from ..samples.augment import AugmentConfig, AugmentedStream, TrainingItem
from .distill import FeaturesFirst, FeaturesOnly, Teacher, student_of
from .mask_losses import box_losses, class_weights, compiled_mask_terms, mask_terms, semantic_losses
from .tiny_trainee import TinyAnswers, TinyTrainee

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
    features: float = option_field(1.0, "Of the teacher's features", minimum=0.0, flag="feature-weight")

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
    pretrained_source: str = option_field(
        TIMM, "Whose conventions the file follows: timm's, or TensorFlow's for EfficientNet-Lite", choices=SOURCES
    )
    depth_width: int = option_field(
        0, "Channels of a branch for depth in a new network; 0: depth goes into the encoder", minimum=0, maximum=256
    )
    encoder_rate: float = option_field(
        1.0, "Learning rate of the encoder, as a share of that of all else", minimum=0.0, maximum=10.0
    )
    frozen_stages: int = option_field(
        0, "The encoder's stem and so many of its first stages stay as they are; 0: all is trained", minimum=0
    )
    keep_norms: bool = option_field(False, "Batch norms of the encoder keep the statistics that they begin with")
    teacher: str = option_field(
        "", "Checkpoint folder or saom-*.onnx whose features are learned; a new network takes over its decoder"
    )
    features_first: int = option_field(0, "So many first steps learn the teacher's features alone", minimum=0)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
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
        ConfigError: `out` holds a run with other options, data or beginning; or options that do not go together.
        ModelError: `init`, the teacher, or the encoder's file cannot be used.
    """
    check_data(data, None)
    processes = Processes.join()
    _check_features_first(config, processes)
    torch.manual_seed(config.seed)
    network, before, taught = initial_network(data, config, init)
    teacher = _teacher_of(config, network, processes)
    known = beginning(data, init, *(Path(file) if file else None for file in (config.pretrained, config.teacher)))
    ended = begin_together(out, known, config, config.steps, processes)
    facts = {"images": len(data), "data": data.info, "config": dataclasses.asdict(config), **ended}
    record = {**facts, "names_taught": taught, "init": before}
    trainee = TinyTrainee(network, config.frozen_stages, config.keep_norms)
    if processes.device.type == "cpu":
        keep_depthwise_exact(network)
    network.to(processes.device, memory_format=torch.channels_last)
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

    length = config.steps * config.batch * processes.count
    stream = AugmentedStream(data, config.augment, config.seed, length)
    run(
        trainee,
        terms_of,
        FeaturesFirst(StreamBatches(stream, config, config.steps, processes), config.features_first),
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
        ModelError: `init`, the teacher, or the encoder's file cannot be used.
    """
    if init is None:
        check_encoder(config.encoder)
        network, before, taught = _new_network(data, config)
        if config.pretrained:
            load_pretrained(network, Path(config.pretrained), config.pretrained_source)
        return network, before, taught
    network, before, taught = _known_network(data, config, init)
    own = network.config
    if (
        config.pretrained
        or config.encoder not in (TinyConfig.encoder, own.encoder)
        or config.depth_width not in (0, own.depth_width)
    ):
        raise ConfigError(
            f"--encoder, --pretrained, --depth-width: expected them for a new network, got --init {init}, which has "
            f"its own encoder ({own.encoder}, depth width {own.depth_width}): leave out one or the other"
        )
    return network, before, taught


def _new_network(data: Dataset, config: TrainConfig) -> tuple[SaomTiny, dict[str, Any], bool]:
    """See `initial_network`: one that knows nothing, or has a teacher's decoder."""
    if not config.teacher:
        shape = TinyConfig(class_names=data.class_names, encoder=config.encoder, depth_width=config.depth_width)
        return SaomTiny(shape), {}, False
    teacher, before, taught = _known_network(data, config, Path(config.teacher))
    return student_of(teacher, config.encoder, config.depth_width), before, taught


def _known_network(data: Dataset, config: TrainConfig, path: Path) -> tuple[SaomTiny, dict[str, Any], bool]:
    """See `initial_network`: that of a checkpoint folder or an exported file."""
    network, before = _read_network(path)
    if path.suffix == ".onnx":
        restore_batch_norms(network, _some_images(data, config))
    taught = network.config.class_names == data.class_names and before.get("names_taught", True)
    return for_classes_of(data, network), before, taught


def _read_network(path: Path) -> tuple[SaomTiny, dict[str, Any]]:
    return network_from_onnx(path) if path.suffix == ".onnx" else load_network_and_record(path)


def _teacher_of(config: TrainConfig, network: SaomTiny, processes: Processes) -> Teacher | None:
    if not config.teacher:
        return None
    trained, _ = _read_network(Path(config.teacher))
    return Teacher(trained, network, config, config.loss.features, processes.device)


def _check_features_first(config: TrainConfig, processes: Processes) -> None:
    """Raises ConfigError where nothing could be learned first, or where processes would wait for each other."""
    if config.features_first and (not config.teacher or processes.count > 1):
        raise ConfigError(
            f"--features-first: expected --teacher, and one process, got teacher {config.teacher!r} and "
            f"{processes.count} processes: give a teacher, or train the first steps in one process"
        )


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
