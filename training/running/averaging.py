"""The moving average of a training's weights: what is saved of it."""

from __future__ import annotations

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


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
