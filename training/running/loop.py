"""The loop of every training here: steps, averaged weights, checkpoints, a log; it goes on where a killed run was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import torch
from torch import nn
from tqdm import tqdm

from .averaging import moving_average
from .log import LOG, PLOT, open_log
from .plot import plot_losses
from .resume import load_resume, save_resume

_LOG_EVERY = 10  # steps


class LoopConfig(Protocol):
    """What every training's configuration says of the loop."""

    @property
    def ema_decay(self) -> float:
        """Of the averaged weights that are saved; 0: the last ones."""

    @property
    def checkpoint_every(self) -> int:
        """So many steps."""


def run_steps(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps_from: Callable[[int], Iterator[dict[str, float]]],
    save: Callable[[nn.Module, int], None],
    out: Path,
    config: LoopConfig,
    steps: int,
    *,
    writes: bool = True,
) -> tuple[nn.Module, int]:
    """Trains from the start, or on from the last checkpoint in `out`.

    Args:
        network: that is trained, on its device.
        optimizer: of its weights.
        steps_from: takes the steps from a given one to the last; gives the terms of each one's loss, by name.
        save: writes the checkpoint of the averaged network after so many steps.
        out: folder of checkpoints and logs.
        config: of averaging and checkpoints.
        steps: of the whole run.
        writes: False for all processes of a run but the first.

    Returns:
        The averaged network, in training mode, and how many steps were already taken before.
    """
    average = moving_average(network, config.ema_decay)
    start = load_resume(out, network, average, optimizer)
    log = open_log(out / LOG, start) if writes else None
    progress = tqdm(total=steps, initial=start, unit="step", desc="train", dynamic_ncols=True, disable=log is None)
    for step, values in enumerate(steps_from(start), start):
        average.update_parameters(network)
        progress.update()
        last = step + 1 == steps
        if log is not None and (step % _LOG_EVERY == 0 or last):
            progress.set_postfix({name: f"{value:.3f}" for name, value in values.items()})
            for name, value in values.items():
                log.add_scalar(f"loss/{name}", value, step)
            log.add_scalar("learning_rate", optimizer.param_groups[0]["lr"], step)
        if log is not None and ((step + 1) % config.checkpoint_every == 0 or last):
            # the model first: a run that is killed in between makes it once more
            save(average.module, step + 1)
            log.flush()
            save_resume(out, step + 1, network, average, optimizer)
    progress.close()
    if log is not None:
        log.close()
        plot_losses(out / LOG, out / PLOT)
    return average.module, start
