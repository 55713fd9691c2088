"""How weights change in every training: AdamW, its learning rate, and the moving average that is saved."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .config import RunConfig


def make_optimizer(
    model: nn.Module, config: RunConfig, device: torch.device, shares: Mapping[str, float] | None = None
) -> torch.optim.AdamW:
    """AdamW for all parameters that are trained.

    Args:
        model: whose parameters have `requires_grad` where they are trained.
        config: rates and decay.
        device: of the model; on a GPU one kernel updates all weights.
        shares: beginning of parameters' names -> their learning rate, relative to that of all others.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            share = next((share for start, share in (shares or {}).items() if name.startswith(start)), 1.0)
            decays = config.decay_vectors or parameter.ndim > 1
            groups.setdefault((share, config.weight_decay if decays else 0.0), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": some, "weight_decay": decay, "share": share} for (share, decay), some in groups.items()],
        lr=config.learning_rate,
        betas=(0.9, config.beta2),
        eps=config.adam_epsilon,
        fused=device.type == "cuda",
    )


def set_learning_rate(optimizer: Optimizer, config: RunConfig, step: int, steps: int) -> None:
    """Sets the rate of a step; after the warm-up it is that of `CosineAnnealingLR`.

    Args:
        optimizer: whose rate it is; parameter groups with a "share" get that share of it.
        config: highest and final rate, and the steps of rising rates, which are at most half of the run.
        step: that comes next, from 0 on.
        steps: of the whole run.
    """
    warmup_steps = min(config.warmup_steps, steps // 2)
    if step < warmup_steps:
        share = (step + 1) / warmup_steps
    else:
        done = (step - warmup_steps) / max(1, steps - warmup_steps)
        share = config.final_rate + (1 - config.final_rate) * 0.5 * (1 + math.cos(math.pi * done))
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * share * group.get("share", 1.0)


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of weights and buffers, to be updated after each step.

    The decay begins low, as in TensorFlow's `ExponentialMovingAverage`: at 0.998 throughout, a run of 300 steps would
    save weights of which more than half is what it began with.

    Args:
        network: that is trained.
        decay: after very many steps; 0: the last weights.
    """

    def update(averaged: list[Tensor], current: list[Tensor], count: Tensor) -> None:
        steps = float(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, count)

    return AveragedModel(network, multi_avg_fn=update, use_buffers=True)
