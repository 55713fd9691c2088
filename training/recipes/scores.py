"""Teach the scores alone: `saom finetune --scores-only --init runs/named/last --data data/rooms --out runs/scored`.

A prompt that predicts how well its mask will fit has not seen the mask. When masks and names are learned, a small head
learns it from the drawn masks themselves; all else stays as it is. It looks through the object head, so it is taught
last: `--classes-only` leaves it out.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saom_core.config import option_field, other_default
from saom_core.errors import ConfigError

from ..dataset import Dataset
from ..networks.checkpoint import save_network
from ..networks.mask_scores import FACTS, MaskIouHead, second_scores
from ..networks.tiny import with_mask_iou_head
from ..running.checks import TrainingError, begin_together, beginning, check_data
from ..running.config import RunConfig
from ..running.loop import train
from ..running.processes import Processes
from ..running.resume import steps_done
from ..running.step import Term, Terms
from ..running.validation import Validation
from ..samples.augment import AugmentConfig
from ..samples.seeded_order import rows_of_step, step_seed
from ..trainees.drawn_masks import JudgedMasks, read_drawn
from ..trainees.tiny_start import TinyStartConfig, known_network

log = logging.getLogger(__name__)

_VALIDATED = 100  # pictures on which it is told at the end what the head gives


@dataclass(frozen=True)
class ScoresConfig(RunConfig):
    """How the head that sees drawn masks is taught. Errors as `RunConfig`."""

    steps: int = other_default(RunConfig, "steps", 6000, flag="score-steps")
    batch: int = other_default(RunConfig, "batch", 256, description="Masks per step and process", minimum=2)
    pictures: int = option_field(
        5000, "Pictures on which the network draws masks to learn from", minimum=1, flag="score-pictures"
    )
    score_width: int = option_field(128, "Channels of the head's hidden layer", minimum=1, maximum=4096)
    score_dropout: float = option_field(
        0.3, "Share of the hidden layer that is dropped at random while training", minimum=0.0, maximum=1.0
    )
    workers: int = other_default(RunConfig, "workers", 2, description="Processes that draw the masks")
    checkpoint_every: int = other_default(RunConfig, "checkpoint_every", 1000)
    validate_every: int = other_default(RunConfig, "validate_every", 3000)
    augment: AugmentConfig = field(default_factory=AugmentConfig)


class Judge(nn.Module):
    """A `MaskIouHead` in training: its inputs have mean 0 and deviation 1, so that no number rules by its unit.

    Args:
        head: what is trained.
        mean: (D,) of the inputs.
        deviation: (D,) of the inputs.
        dropout: share of the hidden layer.
    """

    def __init__(self, head: MaskIouHead, mean: Tensor, deviation: Tensor, dropout: float) -> None:
        super().__init__()
        self.head, self.dropout = head, dropout
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)

    def forward(self, batch: JudgedMasks) -> Tensor:
        """IoU logits (n,) of n masks."""
        first, relu, last = self.head.layers
        hidden = relu(first((batch.seen - self.mean) / self.deviation))
        return last(F.dropout(hidden, self.dropout, self.training)).squeeze(1)

    @torch.no_grad()
    def folded(self) -> dict[str, Tensor]:
        """Weights of a head that takes the inputs as they are."""
        state = {name: value.detach().cpu().clone() for name, value in self.head.state_dict().items()}
        scaled = state["layers.0.weight"] / self.deviation.cpu()
        state["layers.0.bias"] -= scaled @ self.mean.cpu()
        state["layers.0.weight"] = scaled
        return state


class MaskBatches:
    """The batches of a run, drawn from all masks.

    Each step has a seed of its own, so a resumed run draws what an unbroken one draws.
    """

    def __init__(self, masks: JudgedMasks, config: ScoresConfig, processes: Processes) -> None:
        self.steps = config.steps
        self._masks, self._config, self._processes = masks, config, processes

    def after(self, done: int) -> Iterator[JudgedMasks]:
        """See `Batches.after`."""
        config, processes = self._config, self._processes
        for step in range(done, self.steps):
            seed = step_seed(config.seed, step)
            chosen, part = rows_of_step(len(self._masks), config.batch, seed, processes)
            columns = (getattr(self._masks, one.name)[chosen[part]] for one in dataclasses.fields(JudgedMasks))
            yield JudgedMasks(*(column.to(processes.device) for column in columns))


def score_terms(logits: Tensor, batch: JudgedMasks) -> Terms:
    """The one term of the loss: cross-entropy of the IoU logits (n,) with the IoUs."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), batch.ious, reduction="sum")
    return {"scores": Term(losses, len(batch), 1.0)}


def teach_scores(data: Dataset, validation: Dataset | None, out: Path, config: ScoresConfig, init: Path) -> Path:
    """Train the head that sees drawn masks; a killed run is resumed by the same call, which draws them again.

    Args:
        data: training split.
        validation: split on which checkpoints are measured, and on which it is told what the head gives.
        out: folder for checkpoints and logs.
        config: the run.
        init: checkpoint folder, or exported file, whose other layers stay.

    Returns:
        The folder of the last checkpoint, `out/last`.

    Raises:
        ModelError: `init` is no checkpoint.
        TrainingError: no objects, no masks drawn, or a loss or gradient that is not finite.
        ConfigError: `out` holds a run with other options, data or beginning; or `init` has not learned the names.
    """
    check_data(data)
    processes = Processes.join()
    torch.manual_seed(config.seed)
    start = TinyStartConfig(seed=config.seed, augment=config.augment)
    network, before, taught = known_network(data, start, init)
    if not taught:
        raise ConfigError(
            f"--scores-only: expected an --init whose names of the classes of {data.path} are taught, got {init}: "
            "teach them first, with `saom finetune --classes-only`"
        )
    network = with_mask_iou_head(network, config.score_width).eval().requires_grad_(False)
    ended = begin_together(out, data, config, processes, beginning(data, init))
    if processes.gathered([steps_done(out) if processes.first else 0])[0] >= config.steps:
        processes.leave()
        return out / "last"
    masks = read_drawn(data, network, config.augment, config.seed, config.pictures, config.workers, processes)
    if not len(masks):
        raise TrainingError(
            f"expected masks on {config.pictures} training images, got none: give --init a network that finds objects"
        )
    mean, deviation = masks.seen.mean(0), masks.seen.std(0) + 0.01
    head = network.mask_iou_head
    assert isinstance(head, MaskIouHead)
    judge = Judge(MaskIouHead(len(mean) - FACTS, config.score_width), mean, deviation, config.score_dropout)
    record = {**before, "scores": dataclasses.asdict(config)}

    def save(average: nn.Module, step: int) -> Path:
        assert isinstance(average, Judge)
        head.load_state_dict(average.folded())
        save_network(network, out / "last", {**record, "score_steps": step, **ended})
        return out / "last"

    measured = Validation.of(validation, out, config)
    batches = MaskBatches(masks, config, processes)
    _, begun = train(judge, score_terms, batches, config, out=out, save=save, processes=processes, validation=measured)
    if processes.first and validation is not None and len(validation) and begun < config.steps:
        unseen = read_drawn(validation, network, config.augment, config.seed, _VALIDATED, config.workers)
        second = second_scores(unseen.scores, head(unseen.seen).sigmoid())
        told = [float(torch.corrcoef(torch.stack([values, unseen.ious]))[0, 1]) for values in (unseen.scores, second)]
        log.info(
            "correlation of scores with the IoU of %d unseen masks: %.3f, without the head %.3f",
            len(unseen),
            *told[::-1],
        )
    return out / "last"
