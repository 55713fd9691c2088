"""The learning rate of every training here: linear warm-up, then a cosine."""

from __future__ import annotations

import math

from torch.optim import Optimizer


def set_learning_rate(
    optimizer: Optimizer, highest: float, step: int, steps: int, warmup_steps: int, least: float = 0.0
) -> None:
    """Sets the rate of a step, as `CosineAnnealingLR` at every step after the warm-up.

    Args:
        optimizer: whose rate it is.
        highest: at the end of the warm-up.
        step: that comes next, from 0 on.
        steps: of the whole run.
        warmup_steps: of rising rates; at most half of the run.
        least: share of the highest that the cosine ends with.
    """
    warmup_steps = min(warmup_steps, steps // 2)
    if step < warmup_steps:
        share = (step + 1) / warmup_steps
    else:
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        share = least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = highest * share
