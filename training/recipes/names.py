"""Teach the names alone: `saom finetune --classes-only --init runs/full/last --data data/rooms --out runs/named`.

Masks are good long before names are. The object head looks at single objects, so it is trained on them, a hundred at a
time, in a fraction of the time that whole images take; the rest of the network stays as it is.
"""

from __future__ import annotations

import copy
import dataclasses
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.config import option_field, other_default

from ..dataset import Dataset
from ..networks.checkpoint import save_network
from ..networks.tiny import with_mask_iou_head, with_object_head
from ..running.checks import begin_together, beginning, check_data
from ..running.config import RunConfig
from ..running.loop import train
from ..running.processes import Processes
from ..running.step import Term, Terms
from ..running.validation import Validation
from ..samples.object_batches import NamedViews, ObjectBatches, ObjectsConfig
from ..samples.object_crops import ObjectCrops, plain_views, read_objects
from ..trainees.tiny_start import TinyStartConfig, known_network

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassesConfig(ObjectsConfig):
    """How the object head is taught. Errors as `RunConfig`."""

    steps: int = other_default(RunConfig, "steps", 12000, flag="class-steps")
    object_width: int = option_field(
        0, "Channels of a new object head's first layer; 0: the one that is there is trained on", minimum=0, maximum=256
    )
    learning_rate: float = other_default(RunConfig, "learning_rate", 3e-3)
    warmup_steps: int = other_default(RunConfig, "warmup_steps", 300)
    clip_norm: float = other_default(RunConfig, "clip_norm", 0.0)
    dropout: float = option_field(
        0.3, "Share of the embedding that is dropped at random while training", minimum=0.0, maximum=1.0
    )
    label_smoothing: float = option_field(
        0.05, "Share of the label that is spread over all classes", minimum=0.0, maximum=1.0
    )
    checkpoint_every: int = other_default(RunConfig, "checkpoint_every", 500)
    validate_every: int = other_default(RunConfig, "validate_every", 3000)


class NamedObjects(nn.Module):
    """Object head and class head of a network, as one module."""

    def __init__(self, object_head: nn.Module, class_head: nn.Module, dropout: float) -> None:
        super().__init__()
        self.object_head, self.class_head, self.dropout = object_head, class_head, dropout

    def forward(self, batch: NamedViews) -> Tensor:
        """Class logits (n, C) of n objects."""
        return self.class_head(F.dropout(self.object_head(batch.views), self.dropout, self.training))


def name_terms(logits: Tensor, batch: NamedViews, config: ClassesConfig) -> Terms:
    """The one term of the loss: cross-entropy of class logits (n, C), in which rare classes weigh more."""
    losses = F.cross_entropy(
        logits.float(),
        batch.class_ids,
        batch.class_weights,
        label_smoothing=config.label_smoothing,
        reduction="sum",
    )
    return {"classes": Term(losses, len(batch.class_ids), 1.0)}


def teach_classes(data: Dataset, validation: Dataset | None, out: Path, config: ClassesConfig, init: Path) -> Path:
    """Train object head and class head of a checkpoint; a killed run is resumed by the same call.

    Args:
        data: training split.
        validation: split on which checkpoints are measured, and whose objects are named at the end, for the log.
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
    check_data(data)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    network, before, _ = known_network(data, TinyStartConfig(seed=config.seed), init)
    if network.mask_iou_head is not None:
        log.info("the head that judges masks looks through the object head, so it goes: --scores-only teaches another")
        network = with_mask_iou_head(network, 0)
    ended = begin_together(out, data, config, processes, beginning(data, init))
    batches = ObjectBatches(data, network, config, processes)
    if config.object_width:
        network = with_object_head(network, config.object_width)
    named = NamedObjects(copy.deepcopy(network.object_head), copy.deepcopy(network.class_head), config.dropout)
    record = {"steps": before.get("steps", 0), "classes": dataclasses.asdict(config), "init": before, "data": data.info}

    def save(average: nn.Module, step: int) -> Path:
        assert isinstance(average, NamedObjects)
        network.object_head.load_state_dict(average.object_head.state_dict())
        network.class_head.load_state_dict(average.class_head.state_dict())
        save_network(network.eval(), out / "last", {**record, "class_steps": step, **ended})
        return out / "last"

    measured = Validation.of(validation, out, config, best_by="AP_class")
    terms_of = partial(name_terms, config=config)
    average, start = train(
        named, terms_of, batches, config, out=out, save=save, processes=processes, validation=measured
    )
    if processes.first and validation is not None and len(validation) and start < config.steps:
        unseen = read_objects(validation, network, 1.0, config.workers).to(processes.device)
        log.info("right names of unseen objects under true and drawn masks: %.3f", accuracy(average, unseen))
    return out / "last"


@torch.no_grad()
def accuracy(named: nn.Module, objects: ObjectCrops) -> float:
    """Share of objects whose likeliest class is theirs."""
    named.eval()
    nothing = torch.zeros(0, device=objects.class_ids.device)
    right = []
    for some in torch.arange(len(objects), device=objects.class_ids.device).split(256):
        wanted = objects.class_ids[some]
        right.append(named(NamedViews(plain_views(objects, some), wanted, nothing)).argmax(1) == wanted)
    return float(torch.cat(right).float().mean())
