"""Train saom-tiny on a simulated data set: `saom finetune --data data/rooms --out runs/tiny`.

On two CPU cores 1000 steps of 8 images at 384x288 take about 20 minutes. The run is resumed by the same command: each
training image follows from the seed and its number alone, so a resumed run sees what an unbroken one sees.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import math
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from saom_core.arguments import at_least, pair
from saom_core.errors import ConfigError
from saom_core.files import check_output

from ..dataset import Dataset as SimulatedDataset
from ..networks.checkpoint import load_network_and_record, save_network
from ..networks.onnx_weights import network_from_onnx, restore_batch_norms
from ..networks.tiny import SaomTiny, TinyConfig, with_classes
from ..running.checks import begin, beginning, check_data
from ..running.finite import check_loss, clip_gradient
from ..running.loop import run_steps
from ..running.precision import mixed_precision
from ..running.schedule import set_learning_rate
from ..samples.augment import AugmentConfig, TrainingItem, training_item
from ..samples.seeded_order import image_of, item_rng
from ..samples.workers import workers_of
from .losses import LossWeights, batch_loss, class_weights

logger = logging.getLogger("saom")

_LEAST_RATE = 0.01  # of the highest learning rate: that of the last step


@dataclass(frozen=True)
class TrainConfig:
    """One training run.

    Raises:
        ConfigError: a value that no training can have.
    """

    steps: int = 4000
    batch: int = 8
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup_steps: int = 200
    clip_norm: float = 1.0
    ema_decay: float = 0.998
    seed: int = 0
    workers: int = 1
    checkpoint_every: int = 100
    bf16: bool = True
    fused: bool = False  # compile the mask loss; worth it in runs of many steps
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    loss: LossWeights = field(default_factory=LossWeights)

    def __post_init__(self) -> None:
        least = {"steps": 1, "batch": 1, "warmup_steps": 0, "seed": 0, "workers": 0, "checkpoint_every": 1}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise ConfigError(f"{name}: expected at least {minimum}, got {getattr(self, name)}")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise ConfigError(f"learning_rate: expected a number above 0, got {self.learning_rate}")
        height, width = self.augment.size_hw
        if height % 32 or width % 32:
            raise ConfigError(f"size: expected width and height divisible by 32, as 384x288, got {width}x{height}")


class TrainingStream(Dataset[TrainingItem]):
    """Item i of the endless, seeded stream of augmented images; epochs are permutations of the data set."""

    def __init__(self, data: SimulatedDataset, config: TrainConfig) -> None:
        self._data, self._config = data, config

    def __len__(self) -> int:
        return self._config.steps * self._config.batch

    def __getitem__(self, i: int) -> TrainingItem:
        sample = self._data[image_of(self._config.seed, i, len(self._data))]
        return training_item(sample, self._config.augment, item_rng(self._config.seed, i))


def train(data: SimulatedDataset, out: Path, config: TrainConfig, init: Path | None = None) -> Path:
    """Train from nothing, from `init`, or on from the last checkpoint in `out`.

    Args:
        data: training split.
        out: folder for checkpoints and logs.
        config: the run.
        init: checkpoint folder, or exported file, to begin from.

    Returns:
        The folder of the last checkpoint (averaged weights).

    Raises:
        TrainingError: no objects to train on, or a loss or gradient that is not finite.
        ConfigError: `out` holds a run with other options, data or beginning.
    """
    check_data(data, None)
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network, before, taught = initial_network(data, config, init)
    begin(out, {"config": dataclasses.asdict(config), **beginning(data, init)})
    record = {
        "images": len(data),
        "data": data.info,
        "config": dataclasses.asdict(config),
        "names_taught": taught,
        "init": before,
    }
    network = network.to(device, memory_format=torch.channels_last)
    weights = class_weights(torch.from_numpy(data.class_counts(sub_objects=True))).to(device)
    optimizer = make_optimizer(network, config)

    def steps_from(start: int) -> Iterator[dict[str, float]]:
        items_to_come = range(start * config.batch, config.steps * config.batch)
        batches = workers_of(TrainingStream(data, config), config.workers, items_to_come, config.batch)
        for step, items in enumerate(batches, start):
            set_learning_rate(
                optimizer, config.learning_rate, step, config.steps, config.warmup_steps, least=_LEAST_RATE
            )
            yield train_step(network, optimizer, items, weights, config, device)

    def save(average: nn.Module, step: int) -> None:
        assert isinstance(average, SaomTiny)
        save_network(average, out / "last", {"steps": step, **record})

    run_steps(network, optimizer, steps_from, save, out, config, config.steps)
    return out / "last"


def initial_network(
    data: SimulatedDataset, config: TrainConfig, init: Path | None
) -> tuple[SaomTiny, dict[str, Any], bool]:
    """The network that a run begins from.

    Returns:
        A new network for the data set's classes, or that of `init` for them; the training record of `init`; and whether
        the network has learned the names of these classes.
    """
    if init is None:
        return SaomTiny(TinyConfig(class_names=data.class_names)), {}, False
    if init.suffix == ".onnx":
        network, before = network_from_onnx(init)
        restore_batch_norms(network, _some_images(data, config))
    else:
        network, before = load_network_and_record(init)
    taught = network.config.class_names == data.class_names and before.get("names_taught", True)
    return for_classes_of(data, network), before, taught


def for_classes_of(data: SimulatedDataset, network: SaomTiny) -> SaomTiny:
    """The network, for the data set's classes: where they are others, the layers that name classes start anew."""
    if network.config.class_names == data.class_names:
        return network
    logger.info(
        "the data set has other classes than the network: the class layers start anew, for %d instead of %d classes",
        len(data.class_names),
        len(network.config.class_names),
    )
    return with_classes(network, data.class_names)


def train_step(
    network: SaomTiny,
    optimizer: torch.optim.Optimizer,
    items: list[TrainingItem],
    class_weights: Tensor,
    config: TrainConfig,
    device: torch.device,
) -> dict[str, float]:
    """One optimisation step; the loss terms.

    Raises:
        TrainingError: a term or the gradient is not finite; all terms are in the message.
    """
    network.train()
    image, depth, points, semantic = (
        torch.stack([getattr(item, name) for item in items]).to(device)
        for name in ("image", "depth", "points", "semantic")
    )
    per_image = {name: [getattr(item, name).to(device) for item in items] for name in ("targets", "masks", "boxes")}
    with mixed_precision(device, config.bf16):
        features = network.encode(image, depth)
        answers = network.decode(features, points)
        total, terms = batch_loss(
            network,
            features,
            answers,
            **per_image,
            semantic=semantic,
            class_weights=class_weights,
            weights=config.loss,
            fused=config.fused,
        )
    values = {name: float(term.detach()) for name, term in terms.items()}
    check_loss(values)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    clip_gradient(network, config.clip_norm, values)
    optimizer.step()
    return {"total": float(total.detach()), **values}


def make_optimizer(network: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW; biases and norms do not decay."""
    decay = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, list[Tensor] | float]] = [
        {"params": decay, "weight_decay": config.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.98))


def _some_images(data: SimulatedDataset, config: TrainConfig, batches: int = 12) -> Iterator[tuple[Tensor, Tensor]]:
    """Augmented images (B, H, W, 3) and depths (B, H, W) from the beginning of the stream."""
    stream = TrainingStream(data, config)
    for first in range(0, min(batches * config.batch, len(stream)), config.batch):
        items = [stream[i] for i in range(first, first + config.batch)]
        yield torch.stack([item.image for item in items]), torch.stack([item.depth for item in items])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `saom finetune`."""
    default = TrainConfig()
    parser.add_argument("--data", type=Path, required=True, help="data set made by `saom collect`")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and logs; resumed if there")
    parser.add_argument("--init", type=Path, help="checkpoint folder, or saom-*.onnx file, to begin from")
    parser.add_argument("--steps", type=int, default=default.steps)
    parser.add_argument("--batch", type=int, default=default.batch, help="images per step")
    parser.add_argument("--learning-rate", type=float, default=default.learning_rate)
    parser.add_argument("--warmup-steps", type=int, default=default.warmup_steps)
    parser.add_argument("--drop-depth", type=float, default=default.augment.drop_depth, help="share without depth")
    parser.add_argument("--size", type=pair, default="384x288", help="network input, WIDTHxHEIGHT, divisible by 32")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--workers", type=int, default=default.workers, help="processes that prepare images")
    parser.add_argument(
        "--classes-only", action="store_true", help="only the names: object head and class head of --init, nothing else"
    )
    parser.add_argument("--class-steps", type=int, help="steps of --classes-only")
    parser.add_argument("--object-width", type=int, help="--classes-only: channels of a new object head (bundled: 40)")
    parser.add_argument("--fused", action="store_true", help="compile the mask loss: a third faster on a CPU")
    parser.add_argument("--checkpoint-every", type=int, default=default.checkpoint_every, help="steps")
    parser.add_argument("--threads", type=at_least(0), default=0, help="CPU threads of torch; 0: one per core")


def config_of(args: argparse.Namespace) -> TrainConfig:
    """The run that the command line asks for."""
    width, height = args.size
    return TrainConfig(
        steps=args.steps,
        batch=args.batch,
        learning_rate=args.learning_rate,
        warmup_steps=args.warmup_steps,
        seed=args.seed,
        workers=args.workers,
        checkpoint_every=args.checkpoint_every,
        fused=args.fused,
        augment=AugmentConfig(size_hw=(height, width), drop_depth=args.drop_depth),
    )


def run(args: argparse.Namespace) -> int:
    """`saom finetune` of saom-tiny."""
    config = config_of(args)  # first, as what is wrong with it needs no data to be told
    check_output(args.out, folder=True)
    torch.set_num_threads(args.threads or os.cpu_count() or 1)
    final = train(SimulatedDataset.open(args.data, "train"), args.out, config, args.init)
    print(f"checkpoint: {final}")
    if not load_network_and_record(final)[1].get("names_taught", True):
        named = args.out.with_name(args.out.name + "-named")
        words = ["--classes-only", "--data", args.data, "--init", final, "--out", named]
        logger.warning(
            "its class layers are new: masks are learned here, names are not. Teach them before `saom export`:\n"
            "saom finetune %s",
            shlex.join(map(str, words)),
        )
    return 0
