"""The saom-tiny that a training begins with: a new one, one with a teacher's decoder, or a trained one."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from saom_core.config import option_field
from saom_core.errors import ConfigError

from ..dataset import Dataset
from ..networks.checkpoint import load_network_and_record
from ..networks.onnx_weights import network_from_onnx, restore_batch_norms
from ..networks.pretrained import SOURCES, TIMM, check_encoder, load_pretrained
from ..networks.tiny import SaomTiny, TinyConfig, with_classes
from ..running.checks import begin_together, beginning, check_data
from ..running.config import RunConfig
from ..running.precision import keep_depthwise_exact
from ..running.processes import Processes
from ..samples.augment import AugmentConfig, AugmentedStream
from .distill import Teacher, check_features_first, student_of

logger = logging.getLogger("saom")


@dataclass(frozen=True)
class TinyStartConfig(RunConfig):
    """A run of saom-tiny: which network it begins with, and how its pictures are varied. Errors as `RunConfig`."""

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
    teacher: str = option_field(
        "", "Checkpoint folder or saom-*.onnx whose features are learned; a new network takes over its decoder"
    )
    augment: AugmentConfig = field(default_factory=AugmentConfig)


def begin_tiny(
    data: Dataset,
    out: Path,
    config: TinyStartConfig,
    init: Path | None,
    *,
    features_first: int,
    feature_weight: float,
) -> tuple[SaomTiny, Teacher | None, Processes, dict[str, Any]]:
    """What a training of all of saom-tiny begins with.

    Args:
        data: training split.
        out: folder of the run.
        config: of the run.
        init: checkpoint folder, or exported file, to begin from.
        features_first: number of first steps that learn the teacher's features alone.
        feature_weight: of the teacher's term in the loss.

    Returns:
        The network, on its device; the teacher, if the configuration names one; the processes of the run; and what a
        checkpoint tells of it beside its step.

    Raises:
        TrainingError: no objects to train on.
        ConfigError: as `initial_network`, `check_features_first` and `begin_together`.
        ModelError: as `initial_network`.
    """
    check_data(data)
    processes = Processes.join()
    check_features_first(features_first, config.teacher, processes)
    torch.manual_seed(config.seed)
    network, before, taught = initial_network(data, config, init)
    teacher = teacher_of(config, network, feature_weight, processes.device)
    known = beginning(data, init, *(Path(file) if file else None for file in (config.pretrained, config.teacher)))
    ended = begin_together(out, data, config, processes, known)
    facts = {"images": len(data), "data": data.info, "config": dataclasses.asdict(config), **ended}
    if processes.device.type == "cpu":
        keep_depthwise_exact(network)
    network.to(processes.device, memory_format=torch.channels_last)
    return network, teacher, processes, {**facts, "names_taught": taught, "init": before}


def initial_network(data: Dataset, config: TinyStartConfig, init: Path | None) -> tuple[SaomTiny, dict[str, Any], bool]:
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
    network, before, taught = known_network(data, config, init)
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


def _new_network(data: Dataset, config: TinyStartConfig) -> tuple[SaomTiny, dict[str, Any], bool]:
    """See `initial_network`: one that knows nothing, or has a teacher's decoder."""
    if not config.teacher:
        shape = TinyConfig(class_names=data.class_names, encoder=config.encoder, depth_width=config.depth_width)
        return SaomTiny(shape), {}, False
    teacher, before, taught = known_network(data, config, Path(config.teacher))
    return student_of(teacher, config.encoder, config.depth_width), before, taught


def known_network(data: Dataset, config: TinyStartConfig, path: Path) -> tuple[SaomTiny, dict[str, Any], bool]:
    """The network of a checkpoint folder or an exported file; what it returns is told at `initial_network`."""
    network, before = _read_network(path)
    if path.suffix == ".onnx":
        restore_batch_norms(network, _some_images(data, config))
    taught = network.config.class_names == data.class_names and before.get("names_taught", True)
    return for_classes_of(data, network), before, taught


def _read_network(path: Path) -> tuple[SaomTiny, dict[str, Any]]:
    return network_from_onnx(path) if path.suffix == ".onnx" else load_network_and_record(path)


def teacher_of(config: TinyStartConfig, student: SaomTiny, weight: float, device: torch.device) -> Teacher | None:
    """The teacher that the configuration names, if it names one; errors as `Teacher`.

    Args:
        config: of the run.
        student: the network that learns.
        weight: of the term of the loss.
        device: on which the training runs.
    """
    if not config.teacher:
        return None
    trained, _ = _read_network(Path(config.teacher))
    return Teacher(trained, student, config, weight, device)


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


def _some_images(data: Dataset, config: TinyStartConfig, batches: int = 12) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented images (B, H, W, 3) and depths (B, H, W) from the beginning of the stream."""
    length = min(batches, config.steps) * config.batch
    stream = AugmentedStream(data, config.augment, config.seed, length)
    for first in range(0, length, config.batch):
        items = [stream[i] for i in range(first, first + config.batch)]
        yield torch.stack([item.image for item in items]), torch.stack([item.depth for item in items])
