"""How much each class counts in a loss, from how often a data set shows it."""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND_WEIGHT = 0.2
"""Background pixels are many and easy."""
MAX_RARITY = 12.0
"""No class weighs more than this times the most frequent one."""


def class_weights(counts: Tensor) -> Tensor:
    """Weights that let rare classes be learned: the inverse root of the frequency, scaled to a mean of 1 per object.

    Args:
        counts: (C,) objects of each class in the training data.

    Returns:
        (C + 1,) float32; the last one, for background pixels, is BACKGROUND_WEIGHT.
    """
    share = counts.float().clamp(min=1) / counts.sum().clamp(min=1)
    weights = share.rsqrt().clamp(max=MAX_RARITY * share.max().rsqrt())
    weights = weights / (weights * share).sum().clamp(min=1e-6)
    return torch.cat([weights, torch.tensor([BACKGROUND_WEIGHT])])
