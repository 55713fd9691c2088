"""The training of SAM-family networks, in one or many processes.

What is trained on what is told by the caller (`recipes/sam.py`, `recipes/base.py`).
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import Dataset

from ..recipes.sam_config import SamRunConfig
from ..recipes.sam_losses import Term
from ..samples.workers import workers_of
from .checks import begin
from .finite import check_loss, clip_gradient
from .loop import run_steps
from .memory import peak_memory_mb_on
from .precision import mixed_precision
from .processes import Processes
from .schedule import set_learning_rate

logger = logging.getLogger("saom")

Item = TypeVar("Item")
Terms = dict[str, Term]


def train(
    trainee: nn.Module,
    stream: Dataset[Item],
    terms_of: Callable[[Any, list[Item]], Terms],
    save: Callable[[nn.Module, int], None],
    out: Path,
    config: SamRunConfig,
    steps: int,
    processes: Processes,
) -> None:
    """Trains from the start, or on from the last checkpoint in `out`.

    Args:
        trainee: called with a list of items, gives a list of answers.
        stream: `steps * config.batch * processes.count` items.
        terms_of: terms of the loss from all items' answers.
        save: writes the checkpoint of a trainee (the averaged weights) at a step.
        out: folder of checkpoints and logs.
        config: optimisation.
        steps: of the whole run.
        processes: that train together.

    Raises:
        TrainingError: a loss that is not finite.
    """
    device = processes.device
    trainee.to(device).train()
    trained = [parameter for parameter in trainee.parameters() if parameter.requires_grad]
    fused = device.type == "cuda"  # one kernel for all weights
    optimizer = torch.optim.AdamW(trained, eps=config.adam_epsilon, weight_decay=config.weight_decay, fused=fused)

    def steps_from(start: int) -> Iterator[dict[str, float]]:
        network = DistributedDataParallel(trainee) if processes.count > 1 else trainee
        items: list[Item]
        for step, items in enumerate(batches(stream, config, start, steps, processes), start):
            set_learning_rate(optimizer, config.learning_rate, step, steps, config.warmup_steps)
            yield train_step(network, optimizer, items, terms_of, config, processes)

    began = time.monotonic()
    _, start = run_steps(trainee, optimizer, steps_from, save, out, config, steps, writes=processes.first)
    if processes.first:
        pictures = (steps - start) * config.batch * processes.count
        seconds, memory = (time.monotonic() - began) / max(1, pictures), peak_memory_mb_on(device) / 1000
        logger.info("%d pictures, %.3f s each, peak memory %.1f GB", pictures, seconds, memory)
    processes.wait()


def train_step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    items: list[Item],
    terms_of: Callable[[Any, list[Item]], Terms],
    config: SamRunConfig,
    processes: Processes,
) -> dict[str, float]:
    """One optimisation step; the terms, as means over the images of all processes.

    Raises:
        TrainingError: a term or the gradient is not finite, and no weight has changed; all terms are in the message.
    """
    items = [to_device(item, processes.device) for item in items]
    with mixed_precision(processes.device, config.bf16):
        answers = network(items)
    terms = terms_of(answers, items)
    sums = torch.stack([term.total.float() for term in terms.values()])
    counts = sums.new_tensor([term.count for term in terms.values()])
    counts = processes.total(counts).clamp(min=1)
    weights = sums.new_tensor([term.weight for term in terms.values()])
    # DistributedDataParallel takes the mean of the processes' gradients; the sum is wanted
    total = processes.count * (weights * sums / counts).sum()
    means = processes.total(sums.detach()) / counts
    values = {"total": float((weights * means).sum()), **dict(zip(terms, means.tolist(), strict=True))}
    check_loss(values)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    clip_gradient(network, config.clip_norm or math.inf, values)
    optimizer.step()
    return values


def sums_of(per_image: Sequence[Terms]) -> Terms:
    """The terms of some images in one."""
    return {
        name: Term(
            torch.stack([terms[name].total.float() for terms in per_image]).sum(),
            sum(terms[name].count for terms in per_image),
            first.weight,
        )
        for name, first in per_image[0].items()
    }


def batches(
    stream: Dataset[Item], config: SamRunConfig, start: int, steps: int, processes: Processes
) -> Iterator[list[Item]]:
    """This process's items of each step: of the step's `batch * count` items its own `batch`."""
    every = config.batch * processes.count
    mine = range(processes.rank * config.batch, (processes.rank + 1) * config.batch)
    order = [step * every + k for step in range(start, steps) for k in mine]
    return workers_of(stream, config.workers, order, config.batch)


def to_device(item: Item, device: torch.device) -> Item:
    """An item with its tensors on the device."""
    moved = {f.name: getattr(item, f.name) for f in dataclasses.fields(item)}  # type: ignore[arg-type]
    return dataclasses.replace(
        item, **{name: value.to(device) for name, value in moved.items() if isinstance(value, Tensor)}
    )  # type: ignore[type-var]


def begin_together(out: Path, config: SamRunConfig, record: dict[str, Any], processes: Processes) -> None:
    """Makes the folder of a run of these processes, or checks that the run in it is this one; errors as `begin`."""
    begin(out, {"config": dataclasses.asdict(config), "processes": processes.count, **record}, first=processes.first)
    processes.wait()
