"""The one loop of every training: steps, averaged weights, checkpoints, validation, a log; a killed run goes on.

A recipe gives the model, the terms of its loss and its batches; a `RunConfig` tells how they are run. A run that is
resumed ends with the weights of an unbroken one, to the bit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

from torch import nn
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from .config import RunConfig
from .log import LOG, PLOT, Means, open_log, plot_losses
from .memory import peak_memory_mb_on
from .optimizer import make_optimizer, moving_average, set_learning_rate
from .processes import Processes
from .resume import check_same_start, load_resume, save_resume
from .step import Terms, train_step
from .validation import Validation

logger = logging.getLogger("saom")

_LOG_EVERY = 10  # steps


class Batches(Protocol):
    """What a training sees, step by step."""

    steps: int
    """Number of steps of the whole run."""

    def after(self, done: int) -> Iterator[Any]:
        """This process's batch of each step that is left when `done` steps are taken."""


def train(
    model: nn.Module,
    terms_of: Callable[[Any, Any], Terms],
    batches: Batches,
    config: RunConfig,
    *,
    out: Path,
    save: Callable[[nn.Module, int], Path],
    processes: Processes,
    validation: Validation | None = None,
    shares: Mapping[str, float] | None = None,
) -> tuple[nn.Module, int]:
    """Trains from the start, or on from the last checkpoint in `out`.

    Args:
        model: called with a batch, gives the answers to it; what is trained of it has `requires_grad`.
        terms_of: the terms of the loss, from answers and batch.
        batches: of the run.
        config: optimisation, checkpoints, validation.
        out: folder of checkpoints and logs.
        save: writes the checkpoint of a model (with averaged weights) after so many steps; returns where it is.
        processes: that train together; they part at the end.
        validation: measures checkpoints and keeps the best one; None: nothing is measured.
        shares: beginning of parameters' names -> their learning rate, relative to that of all others.

    Returns:
        The model with averaged weights, in training mode, and how many steps had been taken before.

    Raises:
        TrainingError: a loss or a gradient that is not finite.
        ConfigError: the processes find different steps to go on from.
    """
    model.to(processes.device).train()
    optimizer = make_optimizer(model, config, processes.device, shares)
    average = moving_average(model, config.ema_decay)
    start, sums = load_resume(out, model, average, optimizer)
    check_same_start(out, processes.gathered([start]))
    spread = DistributedDataParallel(model) if processes.count > 1 and start < batches.steps else model
    began = time.monotonic()
    # only the first of the processes writes, shows and measures
    with Report(out, start, batches.steps, sums, validation) if processes.first else nullcontext() as report:
        for step, batch in enumerate(batches.after(start), start):
            set_learning_rate(optimizer, config, step, batches.steps)
            values = train_step(spread, optimizer, batch, terms_of, config, processes)
            average.update_parameters(model)
            if report is None:
                continue
            report.add(step, values, optimizer.param_groups[0]["lr"])
            done, last = step + 1, step + 1 == batches.steps
            measured = validation is not None and (done % validation.every == 0 or last)
            if done % config.checkpoint_every == 0 or last or measured:
                # the resume file comes last: a run that is killed before it makes its checkpoint and figures once more
                checkpoint = save(average.module, done)
                if measured:
                    report.measure(checkpoint, done)
                report.flush()
                save_resume(out, done, model, average, optimizer, report.losses.sums)
    if report is not None:
        report.draw()
        pictures = (batches.steps - start) * config.batch * processes.count
        seconds, memory = time.monotonic() - began, peak_memory_mb_on(processes.device) / 1000
        logger.info("%d items, %.3f s each, peak memory %.1f GB", pictures, seconds / max(1, pictures), memory)
    processes.leave()
    return average.module, start


class Report:
    """What a run tells of itself: its log, its line of progress, and its curves at the end.

    Leaving it, however the run ends, ends the line of progress: so an error is told on a line of its own.

    Args:
        out: folder of the run.
        start: steps that are taken already.
        steps: of the whole run.
        sums: of the losses since the last line of the log, from the resume file.
        validation: measures checkpoints.
    """

    def __init__(
        self, out: Path, start: int, steps: int, sums: Mapping[str, float], validation: Validation | None
    ) -> None:
        self.losses = Means(sums)
        self._out, self._steps, self._validation = out, steps, validation
        self._log = open_log(out / LOG, start)
        self._figures = validation.resume(start) if validation else {}
        self._progress = tqdm(total=steps, initial=start, unit="step", desc="train", dynamic_ncols=True)

    def add(self, step: int, values: Mapping[str, float], learning_rate: float) -> None:
        """One step; every tenth has a line in the log, of the mean losses since the line before."""
        self.losses.add(values)
        self._progress.update()
        if step % _LOG_EVERY == 0 or step + 1 == self._steps:
            means = self.losses.take()
            for name, value in means.items():
                self._log.add_scalar(f"loss/{name}", value, step)
            self._log.add_scalar("learning_rate", learning_rate, step)
            self._progress.set_postfix({name: f"{value:.3f}" for name, value in {**means, **self._figures}.items()})

    def measure(self, checkpoint: Path, done: int) -> None:
        """Figures of a checkpoint on the validation images."""
        assert self._validation is not None
        self._figures = self._validation.measure(checkpoint, done)
        for name, value in self._figures.items():
            self._log.add_scalar(f"val/{name}", value, done - 1)

    def flush(self) -> None:
        """All lines of the log to the disk."""
        self._log.flush()

    def draw(self) -> None:
        """The curves of all losses, as a picture in the run's folder."""
        plot_losses(self._out / LOG, self._out / PLOT)

    def __enter__(self) -> Report:
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.close()
        self._log.close()
