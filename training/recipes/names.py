"""Teach the names alone: `saom finetune --classes-only --init runs/full/last --data data/rooms --out runs/named`.

Masks are good long before names are. The object head looks at single objects, so it is trained on them, a hundred at a
time, in a fraction of the time that whole images take; the rest of the network stays as it is.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import logging
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.config import check_options, option_field
from saom_core.files import check_output

from ..dataset import Dataset
from ..networks.checkpoint import save_network
from ..networks.object_head import ObjectViews
from ..networks.tiny import with_object_head
from ..running.checks import TrainingError, begin, beginning, check_data
from ..running.finite import check_loss, clip_gradient
from ..running.loop import run_steps
from ..running.precision import mixed_precision
from ..running.schedule import set_learning_rate
from ..samples.object_crops import ObjectCrops, plain_views, read_objects, varied_views
from .losses import class_weights
from .tiny import TrainConfig, initial_network

log = logging.getLogger(__name__)

OPTIONS = {"class_steps": "steps"} | {
    name: name for name in ("object_width", "batch", "learning_rate", "drop_depth", "seed", "workers")
}
"""Options of the command line that `--classes-only` heeds -> fields of `ClassesConfig`."""


@dataclass(frozen=True)
class ClassesConfig:
    """How the object head is taught.

    Raises:
        ConfigError: a value of the wrong type or out of range.
    """

    steps: int = option_field(12000, "Optimisation steps", minimum=1)
    object_width: int = option_field(
        0, "Channels of a new object head's first layer; 0: the one that is there is trained on", minimum=0, maximum=256
    )
    batch: int = option_field(128, "Objects per step", minimum=2)
    learning_rate: float = option_field(3e-3, "Of AdamW, at its highest", minimum=0.0)
    warmup_steps: int = option_field(300, "Steps of linear warm-up before the cosine", minimum=0)
    weight_decay: float = option_field(0.05, "Of AdamW", minimum=0.0)
    ema_decay: float = option_field(0.998, "Of the averaged weights that are saved", minimum=0.0, maximum=1.0)
    dropout: float = option_field(0.3, "Of the embedding", minimum=0.0, maximum=1.0)
    label_smoothing: float = option_field(0.05, "Of the cross-entropy", minimum=0.0, maximum=1.0)
    drop_depth: float = option_field(0.35, "Share of objects without depth", minimum=0.0, maximum=1.0)
    drawn_share: float = option_field(
        0.5,
        "Share of images whose objects are also seen under the masks that the network draws",
        minimum=0.0,
        maximum=1.0,
    )
    seed: int = option_field(0, "Of objects, views and dropout", minimum=0)
    workers: int = option_field(2, "Processes that read the objects; 0: this one does", minimum=0, maximum=256)
    checkpoint_every: int = option_field(500, "Steps", minimum=1)

    def __post_init__(self) -> None:
        check_options(self)


class NamedObjects(nn.Module):
    """Object head and class head of a network, as one module."""

    def __init__(self, object_head: nn.Module, class_head: nn.Module, dropout: float) -> None:
        super().__init__()
        self.object_head, self.class_head, self.dropout = object_head, class_head, dropout

    def forward(self, views: ObjectViews) -> Tensor:
        """Class logits (n, C) of n objects."""
        return self.class_head(F.dropout(self.object_head(views), self.dropout, self.training))


def teach_classes(data: Dataset, validation: Dataset, out: Path, config: ClassesConfig, init: Path) -> Path:
    """Train object head and class head of a checkpoint; a killed run is resumed by the same call.

    Args:
        data: training split.
        validation: whose objects are named at the end, for the log.
        out: folder for checkpoints and logs.
        config: the run.
        init: checkpoint folder, or exported file, whose other layers stay.

    Returns:
        The folder of the last checkpoint (averaged weights), `out/last`.

    Raises:
        ModelError: `init` is no checkpoint.
        TrainingError: no objects, or a loss or gradient that is not finite.
        ConfigError: `out` holds a run with other options, data or beginning.
    """
    check_data(data, None)
    torch.manual_seed(config.seed)
    network, before, _ = initial_network(data, TrainConfig(seed=config.seed), init)
    begin(out, {"config": dataclasses.asdict(config), **beginning(data, init)})
    drawn_by = network
    if config.object_width:
        network = with_object_head(network, config.object_width)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    named = NamedObjects(copy.deepcopy(network.object_head), copy.deepcopy(network.class_head), config.dropout)
    named.to(device)
    optimizer = torch.optim.AdamW(named.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    record = {"steps": before.get("steps", 0), "classes": dataclasses.asdict(config), "init": before, "data": data.info}

    def steps_from(start: int) -> Iterator[dict[str, float]]:
        if start == config.steps:
            return
        objects = read_objects(data, drawn_by, config.drawn_share, config.workers)
        if not len(objects):
            raise TrainingError("expected a data set with objects in its training split, got none: run `saom collect`")
        counts = torch.bincount(objects.class_ids, minlength=len(network.config.class_names))
        objects, weights = objects.to(device), class_weights(counts)[:-1].to(device)
        for step in range(start, config.steps):
            yield {"classes": train_step(named, optimizer, objects, weights, step, config)}

    def save(average: nn.Module, step: int) -> None:
        assert isinstance(average, NamedObjects)
        network.object_head.load_state_dict(average.object_head.state_dict())
        network.class_head.load_state_dict(average.class_head.state_dict())
        save_network(network.eval(), out / "last", {**record, "class_steps": step})

    average, start = run_steps(named, optimizer, steps_from, save, out, config, config.steps)
    if len(validation) and start < config.steps:
        unseen = read_objects(validation, network, 1.0, config.workers).to(device)
        log.info("right names of unseen objects under true and drawn masks: %.3f", accuracy(average, unseen))
    return out / "last"


def train_step(
    named: NamedObjects,
    optimizer: torch.optim.Optimizer,
    objects: ObjectCrops,
    weights: Tensor,
    step: int,
    config: ClassesConfig,
) -> float:
    """One optimisation step; the loss.

    Raises:
        TrainingError: loss or gradient are not finite.
    """
    set_learning_rate(optimizer, config.learning_rate, step, config.steps, config.warmup_steps)
    seed = config.seed * 1_000_003 + step  # a resumed run draws what an unbroken one draws
    torch.manual_seed(seed)
    device = objects.class_ids.device
    chosen = torch.randint(0, len(objects), (config.batch,)).to(device)
    named.train()
    views = varied_views(objects, chosen, config.drop_depth, torch.Generator(device).manual_seed(seed))
    with mixed_precision(device):
        logits = named(views).float()
    wanted = objects.class_ids[chosen]
    smoothing = config.label_smoothing
    loss = F.cross_entropy(logits, wanted, weights, label_smoothing=smoothing, reduction="sum") / config.batch
    values = {"step": step, "loss": float(loss.detach())}
    check_loss(values)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    clip_gradient(named, math.inf, values)
    optimizer.step()
    return values["loss"]


@torch.no_grad()
def accuracy(named: nn.Module, objects: ObjectCrops) -> float:
    """Share of objects whose likeliest class is theirs."""
    named.eval()
    rows = torch.arange(len(objects), device=objects.class_ids.device).split(256)
    right = [named(plain_views(objects, some)).argmax(1) == objects.class_ids[some] for some in rows]
    return float(torch.cat(right).float().mean())


def run(args: argparse.Namespace) -> int:
    """`saom finetune --classes-only`."""
    if args.init is None:
        raise TrainingError("--classes-only: expected --init with the model whose masks stay, got none")
    check_output(args.out, folder=True)
    torch.set_num_threads(args.threads or os.cpu_count() or 1)
    given = {field: getattr(args, option) for option, field in OPTIONS.items() if getattr(args, option) is not None}
    config = dataclasses.replace(ClassesConfig(), **given)
    train, validation = (Dataset.open(args.data, split) for split in ("train", "val"))
    print(f"checkpoint: {teach_classes(train, validation, args.out, config, args.init)}")
    return 0
